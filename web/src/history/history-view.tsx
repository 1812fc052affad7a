// A user's runs, with filters; two of them can be compared.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { RunList } from "../api/types.js";
import { addressTo, go } from "../state/route.js";
import { endings } from "../state/runs.js";
import { user } from "../state/session.js";
import { Ending, lookOf } from "../ui/ending.js";
import { ago, duration, shortId } from "../ui/format.js";
import { Icon } from "../ui/icon.js";
import { addKeys } from "../ui/keys.js";
import { Empty, Fault, Loading } from "../ui/states.js";
import { listRuns } from "./list.js";

const STATUSES = ["succeeded", "failed", "timed_out", "cancelled", "rejected"] as const;
const TYPING_MS = 200;

export function HistoryView() {
  const status = useSignal("");
  const text = useSignal("");
  const found = useSignal<RunList | null>(null);
  const failure = useSignal<unknown>(null);
  const chosen = useSignal<string[]>([]);
  const again = useSignal(0);
  const whose = user.value;
  useEffect(() => {
    const left = new AbortController();
    failure.value = null;
    const timer = setTimeout(() => {
      listRuns({ status: status.value, text: text.value.trim() }, undefined, left.signal).then(
        (list) => {
          found.value = list;
        },
        (error) => {
          if (!left.signal.aborted) failure.value = error;
        },
      );
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [whose, status.value, text.value, again.value, endings.value]);
  const more = async () => {
    const { value: list } = found;
    if (list?.next == null) return;
    try {
      const rest = await listRuns({ status: status.value, text: text.value.trim() }, list.next);
      found.value = { runs: [...list.runs, ...rest.runs], next: rest.next };
    } catch (error) {
      failure.value = error;
    }
  };
  const toggle = (runId: string) => {
    const { value: before } = chosen;
    chosen.value = before.includes(runId) ? before.filter((id) => id !== runId) : [...before.slice(-1), runId];
  };
  const [left, right] = chosen.value;
  const compare = () => {
    const [one, other] = chosen.value;
    if (one !== undefined && other !== undefined) go({ view: "compare", left: one, right: other });
  };
  useEffect(() => addKeys({ x: compare }), []);
  const runs = found.value?.runs ?? [];
  return (
    <section class="view" aria-labelledby="history-title">
      <header class="view-head">
        <h1 id="history-title">History</h1>
        <div class="filters">
          <label class="search-field is-wide">
            <Icon name="search" size={14} />
            <span class="unseen">Search runs by text</span>
            <input
              type="search"
              placeholder="Words of the code, the error or the output"
              value={text.value}
              onInput={(event) => {
                text.value = event.currentTarget.value;
              }}
            />
          </label>
          <label class="option is-inline">
            <span class="unseen">Ending</span>
            <select
              class="field"
              value={status.value}
              onChange={(event) => {
                status.value = event.currentTarget.value;
              }}
            >
              <option value="">any ending</option>
              {STATUSES.map((name) => (
                <option key={name} value={name}>
                  {lookOf(name).word}
                </option>
              ))}
            </select>
          </label>
          <button type="button" class="button" disabled={left === undefined || right === undefined} onClick={compare}>
            <Icon name="compare" size={14} /> Compare {chosen.value.length}/2
          </button>
        </div>
      </header>
      {failure.value !== null && <Fault error={failure.value} onAgain={() => (again.value += 1)} />}
      {found.value === null && failure.value === null && <Loading what="The history" />}
      {found.value !== null && runs.length === 0 && (
        <Empty icon="history" title={status.value || text.value ? "No run is like that" : "Nothing has run yet"}>
          {status.value || text.value ? "Take a filter away to see more." : "Each run stands here, with how it ended."}
        </Empty>
      )}
      {runs.length > 0 && (
        <ul class="runs">
          {runs.map((run) => (
            <li key={run.runId} class="runs-row">
              <input
                type="checkbox"
                aria-label={`Compare run ${shortId(run.runId)}`}
                checked={chosen.value.includes(run.runId)}
                onChange={() => toggle(run.runId)}
              />
              <a href={addressTo({ view: "run", runId: run.runId })}>
                <Ending status={run.status} />
                <span class="runs-what">{run.scenario === null ? "Snippet" : `Scenario ${run.scenario}`}</span>
                <span class="quiet runs-code">{run.code ?? ""}</span>
                <span class="quiet runs-took">{run.totalMs == null ? "" : duration(run.totalMs)}</span>
                <code class="quiet runs-id">{shortId(run.runId)}</code>
                <time class="quiet" dateTime={run.acceptedAt} title={new Date(run.acceptedAt).toLocaleString()}>
                  {ago(run.acceptedAt)}
                </time>
              </a>
            </li>
          ))}
        </ul>
      )}
      {found.value?.next != null && (
        <button type="button" class="button" onClick={() => void more()}>
          Older runs
        </button>
      )}
    </section>
  );
}
