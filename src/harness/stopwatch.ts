// Times the steps of a run on the monotonic clock, in milliseconds with two decimals.
import type { Timings } from "../model/result.js";
import type { Phase, RunTrace } from "./trace.js";

type Step = Exclude<keyof Timings, "totalMs">;

const PHASES = {
  ...{ queueMs: "lock", bootstrapMs: "bootstrap", acquireMs: "acquire" },
  ...{ runMs: "execute", judgeMs: "judge", syncMs: "sync" },
} as const satisfies Record<Step, Phase>;

export class Stopwatch {
  readonly #startedAt = performance.now();
  readonly #steps = new Map<Step, number>();
  readonly #trace: RunTrace | null;

  /** With a trace each step is a span of it, too. */
  constructor(trace: RunTrace | null = null) {
    this.#trace = trace;
  }

  /** Runs `work` and adds its duration to `step`, however it ends. */
  async time<T>(step: Step, work: () => Promise<T> | T): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      const endedAt = performance.now();
      this.#steps.set(step, (this.#steps.get(step) ?? 0) + endedAt - startedAt);
      this.#trace?.phase(PHASES[step], startedAt, endedAt);
    }
  }

  timings(): Timings {
    const of = (step: Step) => round(this.#steps.get(step) ?? 0);
    return {
      queueMs: of("queueMs"),
      bootstrapMs: of("bootstrapMs"),
      acquireMs: of("acquireMs"),
      runMs: of("runMs"),
      judgeMs: of("judgeMs"),
      syncMs: of("syncMs"),
      totalMs: round(performance.now() - this.#startedAt),
    };
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100;
