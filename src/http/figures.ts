// Figures for Prometheus, in its text format. Labels are words of ours, never a user's: their number is bounded, and no user is named.
import { STATUSES } from "../model/ending.js";
import type { RunResult } from "../model/result.js";

/** Upper bounds in seconds: from a warm run that does nothing to one that takes an hour. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];

/** What is counted as runs end. */
export class RunFigures {
  readonly #byStatus = new Map<string, number>(STATUSES.map((status) => [status, 0]));
  readonly #starts = { warm: 0, cold: 0 };
  readonly #total = new Histogram();
  readonly #queued = new Histogram();

  count({ status, timings, sandbox }: RunResult): void {
    this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + 1);
    if (sandbox !== null) this.#starts[sandbox.warm ? "warm" : "cold"] += 1;
    if (timings === null) return;
    this.#total.add(timings.totalMs / 1000);
    this.#queued.add(timings.queueMs / 1000);
  }

  totals(): { ended: Record<string, number>; warm: number; cold: number } {
    return { ended: Object.fromEntries(this.#byStatus), ...this.#starts };
  }

  lines(): string[] {
    return [
      ...family("runs_total", "counter", "Runs that have ended, by their endings.", [
        ...[...this.#byStatus].map(([status, count]) => row("runs_total", count, { status })),
      ]),
      ...family("sandboxes_total", "counter", "Sandboxes that runs had: booted ahead, or when they were asked for.", [
        ...Object.entries(this.#starts).map(([start, count]) => row("sandboxes_total", count, { start })),
      ]),
      ...this.#total.lines("run_seconds", "How long runs took in all."),
      ...this.#queued.lines("run_queue_seconds", "How long runs waited for their turn."),
    ];
  }
}

class Histogram {
  readonly #counts = BUCKETS.map(() => 0);
  #count = 0;
  #sum = 0;

  add(seconds: number): void {
    this.#count += 1;
    this.#sum += seconds;
    for (const [at, bound] of BUCKETS.entries()) if (seconds <= bound) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  lines(name: string, help: string): string[] {
    const buckets = BUCKETS.map((bound, at) => row(`${name}_bucket`, this.#counts[at] ?? 0, { le: String(bound) }));
    const total = [row(`${name}_bucket`, this.#count, { le: "+Inf" }), row(`${name}_sum`, this.#sum)];
    return family(name, "histogram", help, [...buckets, ...total, row(`${name}_count`, this.#count)]);
  }
}

export function family(name: string, type: "counter" | "gauge" | "histogram", help: string, rows: string[]): string[] {
  return [`# HELP iso_runtime_${name} ${help}`, `# TYPE iso_runtime_${name} ${type}`, ...rows];
}

export function row(name: string, value: number, labels: Record<string, string> = {}): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return `iso_runtime_${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}
