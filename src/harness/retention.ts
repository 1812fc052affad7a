// How long and how much of the runs is kept. Cleaned up in the background, a few runs at a time; what is under way stays. A process that
// dies at it leaves a run that is leaving, which the next one finishes.
import { toIsoError } from "../model/errors.js";
import { GiB } from "../model/limits.js";
import { step } from "../model/steps.js";
import { placeOf, type RunFiles } from "../records/run-files.js";
import type { IndexRow, RunIndex } from "../records/run-index.js";
import type { Leaving, UsageBook } from "../records/usage-book.js";
import { pacer } from "../safefs/pace.js";

export interface RetentionLimits {
  days: number;
  /** Of each user, so that nobody's runs push out another's. */
  runs: number;
  bytes: number;
}

export const DEFAULT_RETENTION: RetentionLimits = { days: 30, runs: 10_000, bytes: GiB };

const EVERY_MS = 60_000;
const STEP = 50;
const DAY_MS = 86_400_000;

interface Parts {
  files: RunFiles;
  index: RunIndex;
  usage: UsageBook;
  turn(): Promise<{ release(): void }>;
  log: (line: string) => void;
}

export class Retention {
  readonly #parts: Parts;
  readonly #limits: RetentionLimits;
  #timer: NodeJS.Timeout | null = null;
  #work: Promise<number> | null = null;
  #isStopped = false;

  constructor(parts: Parts, limits: RetentionLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  start(): void {
    const look = () => void this.cleanUp();
    this.#timer = setInterval(look, EVERY_MS).unref();
    setImmediate(look);
  }

  /** After the step that is being done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#work;
  }

  /** How many runs went. */
  async cleanUp(): Promise<number> {
    this.#work ??= this.#clean()
      .catch((error) => {
        this.#parts.log(`old runs are not removed: ${toIsoError(error).message}`);
        return 0;
      })
      .finally(() => {
        this.#work = null;
      });
    return await this.#work;
  }

  /** What a process that died was removing. */
  async finishLeaving(): Promise<void> {
    const turn = await this.#parts.turn();
    try {
      for (const leaving of this.#parts.usage.leaving()) this.#remove(leaving);
    } finally {
      turn.release();
    }
  }

  async #clean(): Promise<number> {
    let gone = 0;
    const pause = pacer();
    while (!this.#isStopped) {
      const turn = await this.#parts.turn();
      try {
        const found = this.#tooMuch();
        for (const run of found) {
          this.#parts.usage.leave(run, this.#parts.index.usageOf(run.userId, run.runId));
          step("retention.counted");
          this.#remove(run);
          await pause();
        }
        gone += found.length;
        if (found.length === 0) break;
      } finally {
        turn.release();
      }
    }
    return gone;
  }

  #tooMuch(): IndexRow[] {
    const { index } = this.#parts;
    const { days, runs, bytes } = this.#limits;
    const old = index.olderThan(new Date(Date.now() - days * DAY_MS).toISOString(), STEP);
    return old.length > 0 ? old : index.beyond(runs, bytes, STEP);
  }

  #remove({ userId, runId, keyDigest }: Leaving): void {
    const { files, index, usage } = this.#parts;
    files.remove(placeOf(userId, runId), keyDigest);
    step("retention.removed");
    index.together(() => index.delete(userId, runId));
    usage.left(userId, runId);
  }
}
