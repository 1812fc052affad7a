// What the program and what the host logged. Lines with an error have a mark, and one of the snippet's leads to the editor.
import { useSignal } from "@preact/signals";
import { plain } from "../live/ansi.js";
import type { WatchedRun } from "../state/run.js";
import { plural } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Empty } from "../ui/states.js";
import { TracebackLine } from "./traceback.js";

const MOST_LINES = 3_000;
const ERROR_LINE = /\b(ERROR|CRITICAL|FATAL)\b/;

export function LogsTab({ run }: { run: WatchedRun }) {
  const result = run.result.value;
  const shown = useSignal<"user" | "infra">("user");
  const onlyErrors = useSignal(false);
  if (result === null) return <Empty icon="file" title="The logs stand here when the run has ended" />;
  const { userLog, infraLog, errorLines } = result.diagnostics;
  const isError = errorTest(errorLines);
  const text = shown.value === "user" ? userLog : infraLog;
  const lines = text.split("\n").filter((line, index, all) => line !== "" || index < all.length - 1);
  const kept = lines
    .map((line, index) => ({ line: plain(line), number: index + 1 }))
    .filter(({ line }) => !onlyErrors.value || isError(line));
  return (
    <div class="logs">
      <div class="sub-bar">
        <fieldset class="segments">
          <legend class="unseen">Which log</legend>
          {(["user", "infra"] as const).map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={shown.value === name}
              onClick={() => {
                shown.value = name;
              }}
            >
              {name === "user" ? "Program" : "Host"}
            </button>
          ))}
        </fieldset>
        <span class={result.diagnostics.hasError ? "ending is-bad" : "quiet"}>
          {result.diagnostics.hasError && <Icon name="warn" size={14} />}
          {plural(result.totals.errorLines, "line")} with an error
        </span>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyErrors.value}
            onChange={(event) => {
              onlyErrors.value = event.currentTarget.checked;
            }}
          />
          only these
        </label>
      </div>
      {kept.length === 0 ? (
        <p class="quiet pad">{onlyErrors.value ? "No line has an error." : "Nothing was logged."}</p>
      ) : (
        <pre class="log">
          {kept.slice(-MOST_LINES).map(({ line, number }) => (
            <span key={number} class={isError(line) ? "log-line is-error" : "log-line"}>
              <span class="line-number" aria-hidden="true">
                {number}
              </span>
              {isError(line) && <span class="error-mark">error </span>}
              <TracebackLine run={run} line={line} />
            </span>
          ))}
        </pre>
      )}
    </div>
  );
}

function errorTest(errorLines: string[]): (line: string) => boolean {
  const known = new Set(errorLines.map((line) => plain(line).trim()));
  return (line) => known.has(line.trim()) || ERROR_LINE.test(line);
}
