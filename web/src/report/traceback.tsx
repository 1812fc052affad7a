// A traceback, of which each line of the snippet leads to the editor.
import { plain } from "../live/ansi.js";
import type { WatchedRun } from "../state/run.js";
import { frameLine } from "./frames.js";
import { goToLine } from "./jump.js";

const MOST_LINES = 400;

export function Traceback({ run, text }: { run: WatchedRun; text: string }) {
  return (
    <pre class="traceback">
      {text
        .trimEnd()
        .split("\n")
        .slice(0, MOST_LINES)
        .map((line, index) => (
          <TracebackLine key={index} run={run} line={plain(line)} />
        ))}
    </pre>
  );
}

export function TracebackLine({ run, line }: { run: WatchedRun; line: string }) {
  const number = frameLine(line);
  if (number === null) return <>{`${line}\n`}</>;
  const at = line.indexOf(`line ${number}`);
  return (
    <>
      {line.slice(0, at)}
      <button type="button" class="link" onClick={() => void goToLine(run, number)}>
        line {number}
      </button>
      {`${line.slice(at + `line ${number}`.length)}\n`}
    </>
  );
}
