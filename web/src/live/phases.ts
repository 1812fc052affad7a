// Where a run's time went: the phases of an ended run as its result has them, of a live one as far as its events tell.
import type { Timings } from "../api/types.js";

/** When what happened, as the service's clock has it. */
export interface Marks {
  accepted: number | null;
  started: number | null;
  checked: number | null;
  detected: number | null;
  synced: number | null;
  finished: number | null;
}

export interface Phase {
  name: string;
  says: string;
  startMs: number;
  ms: number;
  isLive: boolean;
}

const NAMES = [
  ["queue", "waited for the workspace's turn", "queueMs"],
  ["bootstrap", "made the sandbox's folders", "bootstrapMs"],
  ["acquire", "got a sandbox", "acquireMs"],
  ["run", "the program ran", "runMs"],
  ["judge", "looked at what it left", "judgeMs"],
  ["sync", "brought it to the workspace", "syncMs"],
] as const;

const WORTH_TELLING_MS = 1;

/** The folders and the sandbox are got side by side; all else is one after the other. */
export function phasesOf(timings: Timings): Phase[] {
  const { queueMs, bootstrapMs, acquireMs, runMs, judgeMs, totalMs } = timings;
  const runAt = queueMs + Math.max(bootstrapMs, acquireMs);
  const starts = [0, queueMs, queueMs, runAt, runAt + runMs, runAt + runMs + judgeMs];
  const phases: Phase[] = NAMES.map(([name, says, key], index) => {
    return { name, says, startMs: starts[index] ?? 0, ms: timings[key], isLive: false };
  });
  const endMs = runAt + runMs + judgeMs + timings.syncMs;
  const restMs = totalMs - endMs;
  if (restMs < WORTH_TELLING_MS) return phases;
  const says = "the receipt, the record and what lies between the phases";
  return [...phases, { name: "rest", says, startMs: endMs, ms: restMs, isLive: false }];
}

/** `now` is the service's clock, as far as the page knows it. */
export function livePhases(marks: Marks, now: number): Phase[] {
  const { accepted, started, checked, detected, synced, finished } = marks;
  if (accepted === null) return [];
  const judged = detected ?? checked;
  const ends = [
    ["prepare", "waits for its turn and a sandbox", accepted, started],
    ["run", "the program runs, and what it left is looked at", started, judged],
    ["sync", "brings it to the workspace", judged, synced ?? finished],
  ] as const;
  return ends.flatMap(([name, says, from, to]) => {
    if (from === null) return [];
    const end = to ?? Math.max(from, now);
    return [{ name, says, startMs: from - accepted, ms: end - from, isLive: to === null }];
  });
}

/** A round number of milliseconds for the rule's marks, three to six of them. */
export function rule(totalMs: number): number[] {
  if (!(totalMs > 0)) return [];
  const rough = totalMs / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  return Array.from({ length: Math.floor(totalMs / step) }, (_, index) => (index + 1) * step);
}
