// A file as a person wants to see it. It is a program's: it becomes text, a picture of a checked kind, or a table of its bytes, and is
// never opened as a document.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { plain } from "../live/ansi.js";
import { bytes as sayBytes } from "../ui/format.js";
import { Fault, Loading } from "../ui/states.js";
import { parseCsv } from "./csv.js";
import { JsonTree } from "./json-tree.js";
import { kindOf } from "./kinds.js";
import { asText, loadPart, MOST_PICTURE_BYTES, MOST_TEXT_BYTES, type Part } from "./load.js";
import { CsvTable } from "./table.js";

interface PreviewOptions {
  address: string;
  path: string;
  bytes: number | null;
}

export function Preview({ address, path, bytes }: PreviewOptions) {
  const part = useSignal<Part | null>(null);
  const failure = useSignal<unknown>(null);
  useEffect(() => {
    const left = new AbortController();
    part.value = null;
    failure.value = null;
    const looksLikePicture = /\.(png|jpe?g|gif|webp)$/i.test(path);
    loadPart(address, looksLikePicture ? MOST_PICTURE_BYTES : MOST_TEXT_BYTES, left.signal).then(
      (found) => {
        part.value = found;
      },
      (error) => {
        if (!left.signal.aborted) failure.value = error;
      },
    );
    return () => left.abort();
  }, [address, path, bytes]);
  if (failure.value !== null) return <Fault error={failure.value} />;
  if (part.value === null) return <Loading what="The file" />;
  return <Shown part={part.value} path={path} />;
}

function Shown({ part, path }: { part: Part; path: string }) {
  if (part.total === 0) return <p class="quiet pad">The file is empty.</p>;
  const kind = kindOf(part.bytes, path);
  const isPart = part.bytes.length < part.total;
  if (kind.kind === "picture" && !isPart) return <Picture part={part} kind={kind} path={path} />;
  if (kind.kind === "picture" || kind.kind === "binary") return <Hex part={part} />;
  const text = asText(part.bytes);
  if (kind.kind === "csv") return <CsvTable table={parseCsv(text, isPart)} name={path} />;
  if (kind.kind === "json" && !isPart) {
    const value = parsed(text);
    if (value !== undefined) return <JsonTree value={value.value} name={path.slice(path.lastIndexOf("/") + 1)} />;
  }
  return <Text text={text} isPart={isPart} />;
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

export function Picture({
  part,
  kind,
  path,
}: {
  part: Part;
  kind: { type: string; width: number; height: number };
  path: string;
}) {
  const url = useSignal<string | null>(null);
  const isBroken = useSignal(false);
  useEffect(() => {
    // The type is the one that the bytes have: a browser that is given it renders a picture or nothing.
    const made = URL.createObjectURL(new Blob([part.bytes], { type: kind.type }));
    url.value = made;
    return () => URL.revokeObjectURL(made);
  }, [part, kind.type]);
  if (isBroken.value) return <p class="quiet pad">The picture cannot be shown: it is not whole.</p>;
  return (
    <figure class="picture">
      {url.value !== null && (
        <img
          src={url.value}
          alt={`Preview of ${path}`}
          onError={() => {
            isBroken.value = true;
          }}
        />
      )}
      <figcaption class="quiet">
        {kind.width} × {kind.height}, {kind.type.slice("image/".length).toUpperCase()}, {sayBytes(part.total)}
      </figcaption>
    </figure>
  );
}

const MOST_LINES = 5_000;
const LONGEST_LINE = 4_000;

function Text({ text, isPart }: { text: string; isPart: boolean }) {
  const lines = text.split("\n");
  const shown = lines.slice(0, MOST_LINES).map((line) => plain(line.slice(0, LONGEST_LINE)));
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <pre class="text-preview" tabIndex={0}>
        {shown.join("\n")}
      </pre>
      {(isPart || lines.length > MOST_LINES) && (
        <p class="quiet preview-foot">The file has more; download it to see all.</p>
      )}
    </div>
  );
}

const HEX_BYTES = 512;

function Hex({ part }: { part: Part }) {
  const lines = [];
  for (let at = 0; at < Math.min(part.bytes.length, HEX_BYTES); at += 16) {
    const row = [...part.bytes.subarray(at, Math.min(at + 16, HEX_BYTES))];
    const codes = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(47)}  ${letters}`);
  }
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <pre class="text-preview" tabIndex={0}>
        {lines.join("\n")}
      </pre>
      <p class="quiet preview-foot">{sayBytes(part.total)} that are neither text nor a picture to be shown here.</p>
    </div>
  );
}
