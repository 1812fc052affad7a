// The service's state, looked at again and again while somebody watches, with the newest of it kept for the plots.
import { signal } from "@preact/signals";
import { askJson } from "../api/http.js";
import type { State } from "../api/types.js";

export interface Sample {
  /** Seconds of the clock. */
  at: number;
  busy: number;
  queued: number;
  ready: number;
  /** Of one processor, in percent. */
  cpu: number;
  rssMiB: number;
  loopDelayMs: number;
  usedMemory: number;
  load: number;
  ended: number;
}

const KEPT = 300;
export const state = signal<State | null>(null);
export const samples = signal<readonly Sample[]>([]);
export const stateFailure = signal<unknown>(null);
let watchers: number[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;

/** Every so many milliseconds at most; returns what ends it. */
export function watch(everyMs: number): () => void {
  watchers = [...watchers, everyMs];
  if (timer !== null) clearTimeout(timer);
  void look();
  return () => {
    watchers.splice(watchers.indexOf(everyMs), 1);
  };
}

async function look(): Promise<void> {
  if (!document.hidden) {
    try {
      const found = await askJson<State>("/v1/status", { common: true });
      take(found);
      stateFailure.value = null;
    } catch (error) {
      stateFailure.value = error;
    }
  }
  if (timer !== null) clearTimeout(timer);
  timer = watchers.length === 0 ? null : setTimeout(() => void look(), Math.min(...watchers));
}

function take(found: State): void {
  const before = state.value;
  const { runs, host, pool } = found;
  const passedMs = before === null ? 0 : found.uptimeMs - before.uptimeMs;
  const sample: Sample = {
    at: Date.now() / 1000,
    busy: runs.running + runs.waiting,
    queued: runs.queued,
    ready: pool.reduce((sum, { ready }) => sum + ready, 0),
    cpu: before === null || passedMs <= 0 ? 0 : Math.max(0, ((host.cpuMs - before.host.cpuMs) / passedMs) * 100),
    rssMiB: host.rssBytes / 1024 / 1024,
    loopDelayMs: host.loopDelayMs,
    usedMemory: (1 - host.freeBytes / host.memoryBytes) * 100,
    load: host.load[0] ?? 0,
    ended: Object.values(runs.ended).reduce((sum, count) => sum + count, 0),
  };
  state.value = found;
  samples.value = [...samples.value.slice(-KEPT + 1), sample];
}
