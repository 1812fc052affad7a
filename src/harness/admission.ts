// Whether a run is taken, and when its turn is: how often its user asks, and how many are at work and wait.
import { availableParallelism } from "node:os";
import { IsoError } from "../model/errors.js";
import { MiB } from "../model/limits.js";
import { FairQueue, type Place, type QueueCounts, type QueueLimits } from "./fair-queue.js";
import { RateLimit, type RateOptions } from "./rate-limit.js";
import type { RunRequest } from "./request.js";

export interface AdmissionOptions {
  readonly queue: QueueLimits;
  /** Of each user; null: no limit. */
  readonly rate: RateOptions | null;
}

type Chosen = "atOnce" | "perUser" | "queued" | "queuedPerUser";
export type ChosenLimits = { readonly [limit in Chosen]?: number | undefined };

/** A short run is over by then. */
const UNDISTURBED_MS = 50;

/**
 * Programs wait, for tools, for the network, asleep: so there are many more places than processors, and the kernel shares these. One user
 * has as many as could compute at once, and leaves a processor to others while they ask.
 */
export function queueLimits({
  atOnce = 8 * availableParallelism(),
  perUser,
  queued = 4000,
  queuedPerUser = 1000,
}: ChosenLimits = {}): QueueLimits {
  const most = perUser ?? Math.min(Math.ceil(atOnce / 2), Math.max(2, availableParallelism()));
  // What was chosen is taken at its word.
  const perUserBeside = perUser ?? Math.min(most, Math.max(1, availableParallelism() - 1));
  const bytes = { queuedBytes: 256 * MiB, queuedBytesPerUser: 64 * MiB };
  const undisturbedMs = perUser === undefined ? UNDISTURBED_MS : 0;
  return { atOnce, perUser: most, perUserBeside, undisturbedMs, queued, queuedPerUser, ...bytes };
}

export interface AdmissionCounts extends QueueCounts {
  /** Of the refused, those that came too often. */
  readonly tooOften: number;
  readonly limits: QueueLimits;
}

export class Admission {
  readonly #queue: FairQueue;
  readonly #rate: RateLimit | null;
  #tooOften = 0;

  constructor({ queue, rate }: AdmissionOptions, now?: () => number) {
    this.#queue = new FairQueue(queue, now);
    this.#rate = rate && new RateLimit(rate, now);
  }

  /** Throws `too_busy` with when to ask again. */
  enter(request: Pick<RunRequest, "userId" | "workspace">): Place {
    const { userId: user, workspace } = request;
    const waitMs = this.#rate?.waitMs(user) ?? 0;
    if (waitMs > 0) {
      this.#tooOften += 1;
      throw new IsoError("too_busy", "This user asks for runs more often than may be.", { retryAfterMs: waitMs });
    }
    // No name of a workspace has a dot.
    const lane = workspace === null ? null : (workspace ?? ".");
    const place = this.#queue.enter({ user, lane, bytes: weightOf(request) });
    this.#rate?.count(user);
    return place;
  }

  get limits(): QueueLimits {
    return this.#queue.limits;
  }

  counts(): AdmissionCounts {
    const counts = this.#queue.counts();
    const refused = counts.refused + this.#tooOften;
    return { ...counts, refused, tooOften: this.#tooOften, limits: this.limits };
  }

  of(user: string): { atWork: number; queued: number } {
    return this.#queue.of(user);
  }
}

/** What a request keeps in memory, about: its texts, wherever they stand. A contract's schema may be nested deeper than a stack. */
function weightOf(request: object): number {
  const left: unknown[] = [request];
  let bytes = 0;
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string") bytes += value.length;
    else if (typeof value !== "object" || value === null) bytes += 8;
    else {
      for (const [name, inner] of Object.entries(value)) {
        bytes += name.length;
        left.push(inner);
      }
    }
  }
  return bytes;
}
