// The newest runs, in a line below the one that is shown.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RunSummary } from "../api/types.js";
import { addressTo } from "../state/route.js";
import { endings, shown } from "../state/runs.js";
import { user } from "../state/session.js";
import { Ending } from "../ui/ending.js";
import { ago } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { listRuns } from "./list.js";

const SHOWN = 12;

export function RecentRuns() {
  const runs = useSignal<RunSummary[]>([]);
  const runId = shown.value?.runId;
  const whose = user.value;
  useEffect(() => {
    const left = new AbortController();
    listRuns({ status: "", text: "" }, undefined, left.signal).then(
      (found) => {
        runs.value = found.runs.slice(0, SHOWN);
      },
      () => undefined,
    );
    return () => left.abort();
  }, [runId, whose, endings.value]);
  if (runs.value.length === 0) return null;
  return (
    <nav class="recent" aria-label="Recent runs">
      <a class="recent-all" href={addressTo({ view: "history" })}>
        <Icon name="history" size={14} /> History
      </a>
      <ul>
        {runs.value.map(({ runId: id, status, scenario, acceptedAt }) => (
          <li key={id}>
            <a
              class="chip"
              href={addressTo({ view: "run", runId: id })}
              aria-current={id === runId ? "true" : undefined}
            >
              <Ending status={status} short />
              {scenario === null ? "snippet" : `scenario ${scenario}`}
              <span class="quiet">{ago(acceptedAt)}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
