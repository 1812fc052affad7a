// How many sandboxes ought to wait ready, by how runs came: as many as came in the time in which one is booted. What a burst
// showed is forgotten by half a minute by minute. Two numbers each, and no list of the past.

/** A boot that nobody has measured yet. */
const FIRST_GUESS_MS = 100;
/** How much of a new measurement counts. */
const NEWEST_SHARE = 0.25;
const HALF_LIFE_MS = 60_000;

export class Demand {
  #bootMs: number | null = null;
  #at = 0;
  /** Arrivals within the time of one boot, the older ones weighted less. */
  #lately = 0;
  /** The most there were, as much of it as is not forgotten at `#at`. */
  #most = 0;

  /** Somebody asks for a sandbox. */
  arrived(at: number): void {
    const since = Math.max(0, at - this.#at);
    this.#lately = this.#lately * Math.exp(-since / (this.#bootMs ?? FIRST_GUESS_MS)) + 1;
    this.#most = Math.max(this.#remembered(at), this.#lately);
    this.#at = at;
  }

  /** One was booted, in so many milliseconds. */
  booted(ms: number): void {
    const took = Math.max(1, ms);
    this.#bootMs = this.#bootMs === null ? took : this.#bootMs + (took - this.#bootMs) * NEWEST_SHARE;
  }

  /** 0 where nobody comes any more. */
  wanted(at: number): number {
    return Math.round(this.#remembered(at));
  }

  #remembered(at: number): number {
    return this.#most * 0.5 ** (Math.max(0, at - this.#at) / HALF_LIFE_MS);
  }
}
