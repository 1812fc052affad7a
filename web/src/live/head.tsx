// What runs, how it ends, how long it has taken; and the button that ends it.
import { useEffect, useState } from "preact/hooks";
import { takeCode } from "../report/jump.js";
import { scenarios } from "../state/catalogue.js";
import type { WatchedRun } from "../state/run.js";
import { cancelShown } from "../state/runs.js";
import { Ending } from "../ui/ending.js";
import { duration } from "../ui/format.js";
import { Icon } from "../ui/icon.js";

export function RunHead({ run }: { run: WatchedRun }) {
  const result = run.result.value;
  const scenario = scenarios.value?.find(({ id }) => id === run.scenario.value);
  const at = result?.sandbox ?? run.backend.value;
  return (
    <header class="run-head">
      <div class="run-title">
        <h2>{run.scenario.value === null ? "Snippet" : `${run.scenario.value}. ${scenario?.label ?? "Scenario"}`}</h2>
        <p class="run-ids">
          <code class="run-id">{run.runId}</code>
          {at !== null && (
            <span>
              {at.backend} · {at.profile} · {at.warm ? "warm" : "cold"}
            </span>
          )}
        </p>
      </div>
      <div class="run-state">
        {run.retryAt.value !== null && <span class="ending is-warn">connection lost, trying again…</span>}
        <Ending status={run.status.value} />
        <strong class="run-time">{result ? duration(result.timings?.totalMs) : <Elapsed run={run} />}</strong>
        {result !== null && (
          <button type="button" class="button" onClick={() => void takeCode(run)}>
            <Icon name="edit" size={14} />
            Edit code
          </button>
        )}
        {result === null && (
          <button
            type="button"
            class="button is-danger"
            disabled={run.cancelling.value}
            onClick={() => void cancelShown()}
          >
            <Icon name="stop" size={14} />
            {run.cancelling.value ? "Ending…" : "Cancel"}
          </button>
        )}
      </div>
    </header>
  );
}

function Elapsed({ run }: { run: WatchedRun }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100);
    return () => clearInterval(timer);
  }, []);
  const { accepted } = run.marks.value;
  return <>{accepted === null ? "" : `${(Math.max(0, now - accepted) / 1000).toFixed(1)} s`}</>;
}
