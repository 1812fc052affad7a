// The output as it comes. Of however many lines those in sight are in the document, and a search goes through all that are kept.
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { WatchedRun } from "../state/run.js";
import { plural } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { plain } from "./ansi.js";
import { OutputRow } from "./row.js";
import { inSight, ROW_PX, wrappedRows } from "./window.js";

const AT_END_PX = 24;
const MOST_FOUND = 10_000;
/** Of a monospaced letter, against the size of the text. */
const LETTER_WIDTH = 0.605;
const TEXT_PX = 12;

export function Output({ run }: { run: WatchedRun }) {
  const box = useRef<HTMLElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const top = useSignal(0);
  const size = useSignal({ height: 400, columns: 100 });
  const follows = useSignal(true);
  const wraps = useSignal(true);
  const find = useSignal("");
  const foundAt = useSignal(0);
  const { lines } = run;

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      const gutter = element.clientWidth < 600 ? 60 : 150;
      const columns = Math.max(20, Math.floor((element.clientWidth - gutter) / (TEXT_PX * LETTER_WIDTH)));
      size.value = { height: element.clientHeight, columns };
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const found = useComputed(() => {
    void run.changed.value;
    const word = find.value.toLowerCase();
    const at: number[] = [];
    if (word === "") return at;
    for (let index = 0; index < lines.length && at.length < MOST_FOUND; index += 1) {
      const row = lines.at(index);
      if (row !== undefined && plain(row.text).toLowerCase().includes(word)) at.push(index);
    }
    return at;
  });

  void run.changed.value;
  const { columns, height } = size.value;
  const rowsOf = wraps.value ? (index: number) => wrappedRows(lines.at(index)?.text.length ?? 0, columns) : null;
  const sight = inSight({ count: lines.length, rowsOf }, top.value, height);

  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && follows.value) element.scrollTop = element.scrollHeight;
  });

  const jumpTo = (index: number) => {
    const at = found.value[index];
    if (at === undefined || box.current === null) return;
    follows.value = false;
    foundAt.value = index;
    let above = 0;
    for (let row = 0; row < at; row += 1) above += rowsOf?.(row) ?? 1;
    box.current.scrollTop = Math.max(0, above * ROW_PX - height / 3);
    top.value = box.current.scrollTop;
  };
  const next = (step: number) => {
    const count = found.value.length;
    if (count > 0) jumpTo((foundAt.value + step + count) % count);
  };
  const toggleFollow = () => {
    follows.value = !follows.value;
  };
  useEffect(
    () =>
      addKeys({
        "/": () => search.current?.focus(),
        f: toggleFollow,
        w: () => {
          wraps.value = !wraps.value;
        },
      }),
    [],
  );

  const rows = [];
  for (let index = sight.first; index < sight.end; index += 1) {
    const row = lines.at(index);
    if (row !== undefined)
      rows.push(
        <OutputRow
          key={index}
          row={row}
          find={find.value.toLowerCase()}
          isFound={found.value[foundAt.value] === index}
        />,
      );
  }
  const all = lines.length + Math.max(0, lines.dropped - 1);
  return (
    <section class="output" aria-label="Output">
      <div class="output-bar">
        <h3>Output</h3>
        <span class="quiet">{plural(all, "line")}</span>
        <span class="grow" />
        <label class="search-field">
          <Icon name="search" size={14} />
          <span class="unseen">Search in the output</span>
          <input
            ref={search}
            type="search"
            placeholder="Search  /"
            value={find.value}
            onInput={(event) => {
              find.value = event.currentTarget.value;
              foundAt.value = 0;
              if (find.value !== "") jumpTo(0);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
              if (event.key === "Escape") {
                find.value = "";
                box.current?.focus();
              }
            }}
          />
          <span class="search-count" role="status">
            {find.value === "" ? "" : found.value.length === 0 ? "none" : `${foundAt.value + 1}/${found.value.length}`}
          </span>
        </label>
        <Toggle isOn={wraps.value} icon="wrap" says="Wrap" onClick={() => (wraps.value = !wraps.value)} />
        <Toggle isOn={follows.value} icon="follow" says="Follow" onClick={toggleFollow} />
      </div>
      <section
        ref={box}
        class={`lines ${wraps.value ? "is-wrapped" : ""}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to do as well
        tabIndex={0}
        aria-label="Lines of the output"
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          if (scrollTop < top.value - 2 && scrollHeight - scrollTop - clientHeight > AT_END_PX) follows.value = false;
          top.value = scrollTop;
        }}
      >
        <div class="lines-all" style={{ paddingTop: `${sight.above}px`, paddingBottom: `${sight.below}px` }}>
          {rows}
          {lines.length === 0 && <p class="no-lines">{run.isOver ? "It wrote nothing." : "Nothing yet."}</p>}
        </div>
      </section>
    </section>
  );
}

function Toggle(options: { isOn: boolean; icon: "wrap" | "follow"; says: string; onClick: () => void }) {
  const { isOn, icon, says, onClick } = options;
  return (
    <button type="button" class="button is-toggle" aria-pressed={isOn} onClick={onClick}>
      <Icon name={icon} size={14} />
      <span class="toggle-word">{says}</span>
    </button>
  );
}
