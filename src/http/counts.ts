// How many of a thing there are at once, in all and for each of those who have them.
import { IsoError } from "../model/errors.js";

export class Counts<K> {
  readonly #most: { all: number; each: number };
  readonly #of = new Map<K, number>();
  #all = 0;

  constructor(most: { all: number; each: number }) {
    this.#most = most;
  }

  get all(): number {
    return this.#all;
  }

  /** One more, until it is disposed of. Throws `too_busy`, in these words, where there are as many as may be. */
  take(who: K, refusal: string): Disposable {
    const { all, each } = this.#most;
    if (this.#all >= all || (this.#of.get(who) ?? 0) >= each) throw new IsoError("too_busy", refusal);
    this.#add(who, 1);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (!isOver) this.#add(who, -1);
        isOver = true;
      },
    };
  }

  #add(who: K, count: 1 | -1): void {
    this.#all += count;
    const own = (this.#of.get(who) ?? 0) + count;
    if (own === 0) this.#of.delete(who);
    else this.#of.set(who, own);
  }
}
