// How it ended in one sentence, what to do next, and what it used.
import type { Result } from "../api/types.js";
import type { WatchedRun } from "../state/run.js";
import { Ending, lookOf } from "../ui/ending.js";
import { bytes, duration } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Fault } from "../ui/states.js";
import { adviceOf, ofRun, sentenceOf } from "./frames.js";
import { goToLine } from "./jump.js";
import { Traceback } from "./traceback.js";

export function ResultTab({ run }: { run: WatchedRun }) {
  const result = run.result.value;
  if (run.failure.value !== null) return <Fault error={run.failure.value} />;
  if (result === null) {
    return (
      <div class="verdict">
        <Ending status={run.status.value} />
        <p class="quiet">How it ended stands here when it has.</p>
      </div>
    );
  }
  return <Verdict run={run} result={result} />;
}

function Verdict({ run, result }: { run: WatchedRun; result: Result }) {
  const { tone, icon } = lookOf(result.status);
  const where = result.status === "succeeded" ? null : ofRun(result);
  const advice = adviceOf(result);
  const { exception } = result.error ?? {};
  return (
    <div class="verdict">
      <div class={`verdict-head is-${tone}`}>
        <span class="verdict-mark">
          <Icon name={icon} size={18} />
        </span>
        <div>
          <p class="verdict-sentence">{sentenceOf(result)}</p>
          {where !== null && (
            <p>
              {result.status === "timed_out" ? "It stood in " : "It happened in "}
              <button type="button" class="link" onClick={() => void goToLine(run, where.line)}>
                line {where.line}
              </button>
              <code class="code-line">{where.text}</code>
            </p>
          )}
          {advice !== null && <p class="advice">{advice}</p>}
        </div>
      </div>
      {exception !== undefined && result.status !== "timed_out" && <Traceback run={run} text={exception.traceback} />}
      {run.troubles.value.length > 0 && (
        <ul class="troubles">
          {run.troubles.value.map((text) => (
            <li key={text}>
              <Icon name="warn" size={14} /> {text}
            </li>
          ))}
        </ul>
      )}
      <Facts result={result} />
    </div>
  );
}

function Facts({ result }: { result: Result }) {
  const { error, exitCode, signal, usage, sandbox, workspace, turnId, runId } = result;
  const facts: [string, string | null][] = [
    ["Error code", error?.code ?? null],
    ["Exit code", exitCode === null ? null : String(exitCode)],
    ["Signal", signal],
    ["Limit", error?.limit ?? null],
    ["Processor time", usage?.cpuMs == null ? null : duration(usage.cpuMs)],
    ["Most memory", usage?.maxRssBytes == null ? null : bytes(usage.maxRssBytes)],
    ["Processes", usage?.processes == null ? null : String(usage.processes)],
    ["Output", usage?.outputBytes == null ? null : bytes(usage.outputBytes)],
    ["Sandbox", sandbox === null ? "none" : `${sandbox.backend}, ${sandbox.warm ? "waiting ready" : "booted for it"}`],
    ["Python", sandbox?.python.version ?? null],
    [
      "Workspace",
      workspace.synced
        ? `synced${workspace.version === null ? "" : ` as version ${Number(workspace.version.split(".")[0])}`}`
        : (workspace.reason ?? "not synced"),
    ],
    ["Turn", turnId === runId ? null : turnId],
  ];
  return (
    <dl class="facts">
      {facts.flatMap(([name, value]) =>
        value === null
          ? []
          : [
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>,
            ],
      )}
    </dl>
  );
}
