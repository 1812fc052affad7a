// The line of those who wait for a boot: so many boots at once, tenants by turns, each tenant in the order of asking. It knows
// nothing of sandboxes.

/** A boot under way for longer waits for something, as a silent engine, and takes no processor from the next one. */
const PATIENCE_MS = 5_000;

/** Boots under way. */
export class Places {
  readonly #onFree: () => void;
  #taken = 0;

  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  get taken(): number {
    return this.#taken;
  }

  /** The end of it, once. It ends by itself when patience does. */
  take(): () => void {
    this.#taken += 1;
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#taken -= 1;
      this.#onFree();
    };
    const timer = setTimeout(end, PATIENCE_MS).unref();
    return end;
  }
}

/** What came of waiting: one's turn, which the holder ends, or what somebody had to give. */
export type Turn<G> = { readonly end: () => void } | { readonly given: G };

interface Asker<T, G> {
  readonly item: T;
  resolve(turn: Turn<G>): void;
  reject(error: unknown): void;
}

export class BootQueue<T, G> {
  readonly #atOnce: number;
  /** The tenant whose turn is next stands first; nobody stands here without a line. */
  readonly #lines = new Map<string, Asker<T, G>[]>();
  readonly #places = new Map<string, Places>();
  #waiting = 0;
  #closed: Error | null = null;

  constructor(atOnce: number) {
    this.#atOnce = Math.max(1, atOnce);
  }

  /** How many stand in line. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many turns are not over. */
  get underWay(): number {
    let all = 0;
    for (const { taken } of this.#places.values()) all += taken;
    return all;
  }

  /** Waits in the line of `who`. Rejects with the reason of `signal` or of `close`. */
  turn(who: string, item: T, signal?: AbortSignal): Promise<Turn<G>> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== null || signal?.aborted) return reject(this.#closed ?? signal?.reason);
      const leave = () => {
        this.#remove(who, asker);
        reject(signal?.reason);
      };
      const settled = () => signal?.removeEventListener("abort", leave);
      const asker: Asker<T, G> = {
        item,
        resolve: (turn) => {
          settled();
          resolve(turn);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      const line = this.#lines.get(who);
      if (line === undefined) this.#lines.set(who, [asker]);
      else line.push(asker);
      this.#waiting += 1;
      this.#next();
    });
  }

  /** Gives something to the first in line, by turns, who has a use for it; false where nobody has. */
  offer(given: G, hasUseFor: (item: T) => boolean): boolean {
    for (const [who, line] of this.#lines) {
      const asker = line.find(({ item }) => hasUseFor(item));
      if (asker === undefined) continue;
      this.#serve(who, asker);
      asker.resolve({ given });
      return true;
    }
    return false;
  }

  /** Nobody waits any more, and nobody will. */
  close(reason: Error): void {
    this.#closed = reason;
    const all = [...this.#lines.values()].flat();
    this.#lines.clear();
    this.#waiting = 0;
    for (const { reject } of all) reject(reason);
  }

  #next(): void {
    while (this.underWay < this.#atOnce) {
      const who = this.#whoseTurn();
      const asker = who === null ? undefined : this.#lines.get(who)?.[0];
      if (who === null || asker === undefined) return;
      this.#serve(who, asker);
      asker.resolve({ end: this.#placesOf(who).take() });
    }
  }

  /** One tenant never has all places, so that the next one finds one free. */
  #whoseTurn(): string | null {
    const most = Math.max(1, this.#atOnce - 1);
    for (const who of this.#lines.keys()) {
      if ((this.#places.get(who)?.taken ?? 0) < most) return who;
    }
    return null;
  }

  /** Out of the line, and its tenant behind the others. */
  #serve(who: string, asker: Asker<T, G>): void {
    this.#remove(who, asker);
    const line = this.#lines.get(who);
    if (line === undefined) return;
    this.#lines.delete(who);
    this.#lines.set(who, line);
  }

  #remove(who: string, asker: Asker<T, G>): void {
    const line = this.#lines.get(who) ?? [];
    const at = line.indexOf(asker);
    if (at < 0) return;
    line.splice(at, 1);
    this.#waiting -= 1;
    if (line.length === 0) this.#lines.delete(who);
  }

  #placesOf(who: string): Places {
    const known = this.#places.get(who);
    if (known !== undefined) return known;
    const places = new Places(() => {
      if (places.taken === 0) this.#places.delete(who);
      this.#next();
    });
    this.#places.set(who, places);
    return places;
  }
}
