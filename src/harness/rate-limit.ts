// How often each user may ask: so many at once, and then one again for each share of the time that has passed (the generic cell rate
// algorithm, which keeps one number a user).

export interface RateOptions {
  /** So many may come at once. */
  readonly count: number;
  /** In which as many come anew. */
  readonly perMs: number;
}

/** Users that are known before those are forgotten who may ask as if they never had. */
const MAX_KNOWN = 10_000;
/** Shares are fractions. */
const ROUNDING_MS = 0.001;

export class RateLimit {
  readonly #shareMs: number;
  readonly #perMs: number;
  readonly #now: () => number;
  /** When all that was asked for will have come anew. */
  readonly #fullAt = new Map<string, number>();

  constructor({ count, perMs }: RateOptions, now: () => number = () => performance.now()) {
    this.#perMs = perMs;
    this.#shareMs = perMs / count;
    this.#now = now;
  }

  /** Milliseconds until this user may ask once more; 0: now. */
  waitMs(user: string): number {
    const now = this.#now();
    const fullAt = Math.max(this.#fullAt.get(user) ?? now, now);
    const waitMs = fullAt + this.#shareMs - this.#perMs - now;
    return waitMs > ROUNDING_MS ? waitMs : 0;
  }

  /** This user has asked. */
  count(user: string): void {
    const now = this.#now();
    if (this.#fullAt.size >= MAX_KNOWN) this.#forget(now);
    this.#fullAt.set(user, Math.max(this.#fullAt.get(user) ?? now, now) + this.#shareMs);
  }

  #forget(now: number): void {
    for (const [user, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(user);
    // Names cost nothing to whoever may act for any user: memory is bounded whatever is said.
    for (const user of this.#fullAt.keys()) {
      if (this.#fullAt.size < MAX_KNOWN) return;
      this.#fullAt.delete(user);
    }
  }
}
