// Times the steps of a run on the monotonic clock, in milliseconds with two decimals.
import type { Timings } from "../model/result.js";

type Step = Exclude<keyof Timings, "totalMs">;

export class Stopwatch {
  readonly #startedAt = performance.now();
  readonly #steps = new Map<Step, number>();

  /** Runs `work` and adds its duration to `step`, however it ends. */
  async time<T>(step: Step, work: () => Promise<T> | T): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#steps.set(step, (this.#steps.get(step) ?? 0) + performance.now() - startedAt);
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
