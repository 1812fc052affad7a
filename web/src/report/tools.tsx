// The calls of host tools: what was asked, what came back, how long it took.

import { useSignal } from "@preact/signals";
import { JsonTree } from "../preview/json-tree.js";
import type { WatchedRun } from "../state/run.js";
import { duration, preciseClock } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { Empty } from "../ui/states.js";

const SHOWN = 100;

export function ToolsTab({ run }: { run: WatchedRun }) {
  const calls = run.result.value?.toolCalls;
  const shown = useSignal(SHOWN);
  if ((calls ?? run.tools.value.list).length === 0) {
    return (
      <Empty icon="tool" title="No tool was called">
        A snippet calls tools of the host with <code>await agent_io_tools.tool_call(…)</code>.
      </Empty>
    );
  }
  if (calls === undefined) {
    return (
      <ul class="calls">
        {run.tools.value.list.slice(-SHOWN).map(({ id, toolId, params, ok }) => (
          <li key={id} class="call">
            <header>
              <Icon name="tool" size={14} />
              <b>{toolId}</b>
              <span class="quiet">{ok === null ? "at work…" : ok ? "returned" : "failed"}</span>
            </header>
            <JsonTree value={params} name="params" />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <ul class="calls">
      {calls.slice(0, shown.value).map(({ id, toolId, params, callReason, ok, ret, error, startedAt, durationMs }) => (
        <li key={id} class="call">
          <header>
            <span class={`ending is-${ok ? "good" : "bad"}`}>
              <Icon name={ok ? "ok" : "bad"} size={14} />
              <span class="unseen">{ok ? "succeeded:" : "failed:"}</span>
            </span>
            <b>{toolId}</b>
            {callReason !== null && <span class="quiet">{callReason}</span>}
            <span class="grow" />
            <span class="quiet">{preciseClock(startedAt)}</span>
            <span>{duration(durationMs)}</span>
          </header>
          <div class="call-sides">
            <JsonTree value={params} name="params" />
            {error === undefined ? (
              <JsonTree value={ret ?? null} name="returned" />
            ) : (
              <p class="ending is-bad">
                {error.code}: {error.message}
              </p>
            )}
          </div>
        </li>
      ))}
      {calls.length > shown.value && (
        <li class="pad">
          <button
            type="button"
            class="button"
            onClick={() => {
              shown.value += 5 * SHOWN;
            }}
          >
            {calls.length - shown.value} more
          </button>
        </li>
      )}
    </ul>
  );
}
