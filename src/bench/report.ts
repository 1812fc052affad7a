// What `iso-runtime bench` says: one document, of which all pictures are made.
import type { Machine } from "./machine.js";
import type { SideKey, Turn } from "./sides.js";
import { type Summary, summarize } from "./statistics.js";

export const BENCH_SCHEMA = "iso-runtime/bench-report@1";

/** Above it, for each processor, others were at work before the benchmark began. */
const BUSY_LOAD = 0.3;
/** A bare interpreter takes the same time again on a quiet machine. */
const UNSTEADY = 2;
/** With fewer samples the 99th percentile is the largest of them. */
const ENOUGH_FOR_P99 = 100;

export interface BenchRow extends SideKey {
  readonly latencyMs: Summary;
  /** The median of all turns, each without a pause between its runs. */
  readonly runsPerSecond: number;
  /** The same figures divided by those of the bare interpreter, as many at once; null in its own row. */
  readonly toBare: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly runsPerSecond: number;
  } | null;
  /** Runs whose latency was left out. */
  readonly leftOut: { readonly count: number; readonly reasons: readonly string[] };
}

export interface Skipped {
  readonly backend: string;
  readonly reason: string;
}

export interface BenchReport {
  readonly schema: typeof BENCH_SCHEMA;
  readonly ok: true;
  readonly measuredAt: string;
  /** What was run, in words. */
  readonly program: string;
  readonly rounds: number;
  readonly machine: Machine;
  /** Processes that ran or wanted to, on average over a minute. */
  readonly load: { readonly before: number; readonly after: number };
  readonly warnings: readonly string[];
  readonly skipped: readonly Skipped[];
  readonly rows: readonly BenchRow[];
}

export interface Measured {
  readonly key: SideKey;
  readonly turns: readonly Turn[];
}

export function makeReport(
  about: Pick<BenchReport, "program" | "rounds" | "machine" | "load" | "skipped">,
  measured: readonly Measured[],
): BenchReport {
  const bare = new Map(
    measured.filter(({ key }) => key.backend === null).map((each) => [each.key.concurrency, rowOf(each, undefined)]),
  );
  const rows = measured.map((each) =>
    rowOf(each, each.key.backend === null ? undefined : bare.get(each.key.concurrency)),
  );
  return {
    ...{ schema: BENCH_SCHEMA, ok: true, measuredAt: new Date().toISOString(), ...about },
    ...{ warnings: warningsOf(about, rows), rows },
  };
}

function rowOf({ key, turns }: Measured, bare: BenchRow | undefined): BenchRow {
  const latencyMs = summarize(turns.flatMap((turn) => turn.latenciesMs));
  const runsPerSecond = summarize(turns.map((turn) => turn.runsPerSecond)).p50;
  const reasons = turns.flatMap((turn) => turn.leftOut);
  const toBare = bare && {
    p50: latencyMs.p50 / bare.latencyMs.p50,
    p95: latencyMs.p95 / bare.latencyMs.p95,
    p99: latencyMs.p99 / bare.latencyMs.p99,
    runsPerSecond: runsPerSecond / bare.runsPerSecond,
  };
  const { backend, start, concurrency, files } = key;
  return {
    ...{ backend, start, concurrency, files, latencyMs, runsPerSecond, toBare: toBare ?? null },
    leftOut: { count: reasons.length, reasons: [...new Set(reasons)] },
  };
}

function warningsOf({ load, machine }: Pick<BenchReport, "load" | "machine">, rows: readonly BenchRow[]): string[] {
  const warnings: string[] = [];
  if (load.before > BUSY_LOAD * machine.cpus)
    warnings.push(
      `The machine was busy before the first run (load ${load.before.toFixed(1)} on ${machine.cpus} processors): measure again when it is idle, or trust the ratios alone.`,
    );
  const unsteady = rows.filter(
    ({ backend, latencyMs }) => backend === null && latencyMs.p95 > UNSTEADY * latencyMs.p50,
  );
  if (unsteady.length > 0)
    warnings.push(
      `The bare interpreter itself was unsteady (p95 more than ${UNSTEADY} x p50): something else takes processor time here.`,
    );
  const left = rows.reduce((total, { leftOut }) => total + leftOut.count, 0);
  if (left > 0) {
    const reasons = [...new Set(rows.flatMap(({ leftOut }) => leftOut.reasons))].join("; ");
    warnings.push(`${left} runs are not among the latencies: ${reasons}.`);
  }
  if (rows.some(({ latencyMs }) => latencyMs.samples < ENOUGH_FOR_P99))
    warnings.push(
      `Where there are fewer than ${ENOUGH_FOR_P99} samples p99 is the slowest of them: --rounds makes more.`,
    );
  return warnings;
}
