// Reports for the tests of what is made of them.
import { type BenchReport, makeReport } from "../../src/bench/report.js";
import type { Turn } from "../../src/bench/sides.js";

export const machine = (over: object = {}): BenchReport["machine"] => ({
  ...{ cpus: 2, cpuModel: "A processor", memoryBytes: 2 ** 33, kernel: "6.1.0", arch: "x64", node: "v20.19.0" },
  ...{ python: { path: "/usr/bin/python3", version: "3.11.2" }, isoRuntime: "0.1.0", engines: {}, ...over },
});

export const turn = (latenciesMs: number[], runsPerSecond = 10, leftOut: string[] = []): Turn => ({
  ...{ latenciesMs, runsPerSecond, leftOut },
});

export const BARE = { backend: null, start: null, concurrency: 1, files: null } as const;

/** A bare interpreter of 10 ms, and a backend of 5. */
export function report(over: { backend?: string; reason?: string; load?: number; turns?: Turn[] } = {}): BenchReport {
  const { backend = "bubblewrap", reason = "", load = 0, turns = [turn([5, 5, 6], 40)] } = over;
  return makeReport(
    {
      ...{ program: "print(1)", rounds: 3, machine: machine(), load: { before: load, after: load } },
      skipped: reason === "" ? [] : [{ backend: "other", reason }],
    },
    [
      { key: BARE, turns: [turn([10, 10, 12], 20)] },
      { key: { backend, start: "warm", concurrency: 1, files: 1000 }, turns },
    ],
  );
}
