// A file before and after: texts line by line beside each other, pictures beside each other.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { inAddress } from "../api/http.js";
import { plain } from "../live/ansi.js";
import { type Kind, kindOf } from "../preview/kinds.js";
import { asText, loadPart, MOST_PICTURE_BYTES, MOST_TEXT_BYTES, type Part } from "../preview/load.js";
import { Picture } from "../preview/preview.js";
import { bytes, plural } from "../ui/format.js";
import { Fault, Loading } from "../ui/states.js";
import { type DiffRow, diffRows, folded, type Side, type Word, words } from "./diff.js";

interface DiffOptions {
  path: string;
  /** Addresses of both sides; null where there is no such side. */
  before: string | null;
  after: string | null;
}

export const versionAddress = (version: string, path: string): string =>
  `/v1/workspace/versions/${encodeURIComponent(version)}/files/${inAddress(path)}`;

export function DiffView({ path, before, after }: DiffOptions) {
  const sides = useSignal<[Part | null, Part | null] | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    const left = new AbortController();
    const most = /\.(png|jpe?g|gif|webp)$/i.test(path) ? MOST_PICTURE_BYTES : MOST_TEXT_BYTES;
    const load = async (address: string | null) =>
      address === null ? null : await loadPart(address, most, left.signal);
    Promise.all([load(before), load(after)]).then(
      (found) => {
        sides.value = found;
      },
      (error) => {
        if (!left.signal.aborted) failure.value = error;
      },
    );
    return () => left.abort();
  }, [path, before, after]);
  if (failure.value !== null) return <Fault error={failure.value} />;
  if (sides.value === null) return <Loading what="The difference" />;
  const [old, fresh] = sides.value;
  return <Sides path={path} old={old} fresh={fresh} />;
}

function Sides({ path, old, fresh }: { path: string; old: Part | null; fresh: Part | null }) {
  const kinds = [old, fresh].map((part) => (part === null ? null : kindOf(part.bytes, path)));
  if (kinds.some((kind) => kind?.kind === "picture")) {
    return (
      <div class="picture-pair">
        <PictureSide title="before" part={old} kind={kinds[0] ?? null} path={path} />
        <PictureSide title="after" part={fresh} kind={kinds[1] ?? null} path={path} />
      </div>
    );
  }
  const isBinary = kinds.some((kind) => kind?.kind === "binary");
  const isCut = [old, fresh].some((part) => part !== null && part.bytes.length < part.total);
  const rows = isBinary || isCut ? null : diffRows(textOf(old), textOf(fresh));
  if (rows === null) {
    return (
      <p class="quiet pad">
        {isBinary ? "It is no text" : "Both sides are too long or too different to be shown beside each other"}:{" "}
        {old === null ? "nothing" : bytes(old.total)} before, {fresh === null ? "nothing" : bytes(fresh.total)} after.
      </p>
    );
  }
  return <DiffTable rows={rows} path={path} />;
}

const textOf = (part: Part | null): string => (part === null ? "" : asText(part.bytes));

function PictureSide({
  title,
  part,
  kind,
  path,
}: {
  title: string;
  part: Part | null;
  kind: Kind | null;
  path: string;
}) {
  return (
    <section>
      <h4>{title}</h4>
      {part !== null && kind?.kind === "picture" ? (
        <Picture part={part} kind={kind} path={`${path}, ${title}`} />
      ) : (
        <p class="quiet pad">{part === null ? "It was not there." : "It is no picture."}</p>
      )}
    </section>
  );
}

const MOST_ROWS = 3_000;

export function DiffTable({ rows, path }: { rows: DiffRow[]; path: string }) {
  const opened = useSignal<ReadonlySet<number>>(new Set());
  const shown = folded(rows, opened.value);
  const counts = rows.reduce(
    (sum, row) => ({
      gone: sum.gone + (row.kind === "changed" && row.left !== null ? 1 : 0),
      come: sum.come + (row.kind === "changed" && row.right !== null ? 1 : 0),
    }),
    { gone: 0, come: 0 },
  );
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section class="table-box is-bounded" tabIndex={0} aria-label={`Difference of ${path}`}>
        <table class="diff">
          <colgroup>
            <col class="diff-col" />
            <col />
            <col class="diff-col" />
            <col />
          </colgroup>
          <thead class="unseen">
            <tr>
              <th scope="col" colSpan={2}>
                before
              </th>
              <th scope="col" colSpan={2}>
                after
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.slice(0, MOST_ROWS).map((row) => (
              <Row
                key={row.kind === "fold" ? `fold ${row.from}` : `${row.left?.number ?? ""} ${row.right?.number ?? ""}`}
                row={row}
                onOpen={(from) => {
                  opened.value = new Set([...opened.value, from]);
                }}
              />
            ))}
          </tbody>
        </table>
      </section>
      <p class="quiet preview-foot">
        {plural(counts.come, "line")} added, {counts.gone} removed
        {shown.length > MOST_ROWS && `; the first ${MOST_ROWS} rows are shown`}
      </p>
    </div>
  );
}

function Row({ row, onOpen }: { row: DiffRow; onOpen: (from: number) => void }) {
  if (row.kind === "fold") {
    return (
      <tr class="diff-fold">
        <td colSpan={4}>
          <button type="button" class="link" onClick={() => onOpen(row.from)}>
            {plural(row.count, "line")} unchanged
          </button>
        </td>
      </tr>
    );
  }
  const { left, right } = row;
  const isChanged = row.kind === "changed";
  const parts = isChanged && left !== null && right !== null ? words(left.text, right.text) : null;
  return (
    <tr>
      <Cell side={left} mark={isChanged ? "−" : ""} look={isChanged ? "is-gone" : ""} parts={parts?.left ?? null} />
      <Cell side={right} mark={isChanged ? "+" : ""} look={isChanged ? "is-come" : ""} parts={parts?.right ?? null} />
    </tr>
  );
}

function Cell({ side, mark, look, parts }: { side: Side | null; mark: string; look: string; parts: Word[] | null }) {
  if (side === null) return <td class="diff-none" colSpan={2} />;
  return (
    <>
      <td class={`diff-number ${look}`}>
        {side.number}
        <span class="diff-mark">{mark}</span>
      </td>
      <td class={`diff-text ${look}`}>
        {parts === null
          ? plain(side.text)
          : parts.map(({ text, isChanged }, index) =>
              isChanged ? <mark key={index}>{plain(text)}</mark> : plain(text),
            )}
      </td>
    </>
  );
}
