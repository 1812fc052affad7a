// One line of the output: text that stays text, or a tool's call.
import type { JSX } from "preact";
import { duration, json, preciseClock } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { pieces, type Style } from "./ansi.js";
import type { Row, ToolRow } from "./lines.js";
import { cutAtMatches } from "./matches.js";

interface RowOptions {
  row: Row;
  find: string;
  isFound: boolean;
}

export function OutputRow({ row, find, isFound }: RowOptions) {
  const { kind, number, at } = row;
  if (kind === "gap") return <div class="line is-gap">⋯ {row.text} ⋯</div>;
  return (
    <div class={`line is-${kind} ${isFound ? "is-found" : ""}`}>
      <span class="line-number" aria-hidden="true">
        {row.continues ? "↪" : (number ?? "")}
      </span>
      <span class="line-at">{row.continues ? "" : preciseClock(at)}</span>
      {row.tool ? <ToolText tool={row.tool} /> : <span class="line-text">{marked(row, find)}</span>}
      {kind === "stderr" && <span class="line-stream">stderr</span>}
      {kind === "log" && <span class="line-stream">log</span>}
    </div>
  );
}

function ToolText({ tool }: { tool: ToolRow }) {
  const { toolId, params, ok, error, durationMs } = tool;
  return (
    <span class="line-text tool-text">
      <Icon name="tool" size={13} />
      <b>{toolId}</b> <span class="quiet">{json(params, 200)}</span>{" "}
      {ok === null && <span class="ending is-live">… at work</span>}
      {ok === true && <span class="ending is-good">→ ok {duration(durationMs)}</span>}
      {ok === false && (
        <span class="ending is-bad">
          → failed: {error} {duration(durationMs)}
        </span>
      )}
    </span>
  );
}

function marked({ text, style }: Row, find: string): JSX.Element[] {
  const { pieces: all } = pieces(text, style);
  const parts = find === "" ? all.map((piece) => ({ ...piece, isFound: false })) : cutAtMatches(all, find);
  return parts.map(({ text: shown, style: own, isFound }, index) => {
    const Part = isFound ? "mark" : "span";
    return (
      <Part key={index} class={classOf(own)} style={coloursOf(own)}>
        {shown}
      </Part>
    );
  });
}

function classOf({ fg, bg, bold, faint, italic, underline, strike, inverse }: Style): string {
  const names = [
    typeof fg === "number" ? `${inverse ? "bg" : "fg"}-${fg}` : "",
    typeof bg === "number" ? `${inverse ? "fg" : "bg"}-${bg}` : "",
    ...[
      bold && "is-bold",
      faint && "is-faint",
      italic && "is-italic",
      underline && "is-underline",
      strike && "is-strike",
    ],
    inverse && fg === undefined && bg === undefined ? "is-inverse" : "",
  ];
  return names.filter((name) => name !== undefined && name !== "").join(" ");
}

function coloursOf({ fg, bg, inverse }: Style): Record<string, string> {
  const front = inverse ? bg : fg;
  const back = inverse ? fg : bg;
  return {
    ...(typeof front === "string" && { color: front }),
    ...(typeof back === "string" && { backgroundColor: back }),
  };
}
