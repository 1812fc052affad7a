// Boots ahead of need: when, for whom, and how many at once. Work goes first: none begins while somebody stands in line for a boot,
// and beyond one at a time only as many as processors have nothing to do. Shelves take turns.
import { Places } from "./boot-queue.js";
import type { MemoryBudget } from "./memory-budget.js";
import type { Shelf, Shelves } from "./shelves.js";

/** How often it is looked at who did not come any more, and what has become old. */
const SWEEP_MS = 10_000;

export interface AheadParts {
  readonly shelves: Shelves;
  readonly budget: MemoryBudget;
  readonly processors: number;
  /** How many processors runs have use for; null while somebody stands in line. */
  busy(): number | null;
  /** Boots one for the shelf and puts it where it belongs. */
  boot(shelf: Shelf): Promise<void>;
  /** Keeps an eye on work until it is over. */
  track(work: Promise<void>): void;
  /** Moves what has become somebody's from a shelf that is nobody's. */
  sortOut(shelf: Shelf): void;
  /** Throws away the one that waits longest. */
  drop(shelf: Shelf): void;
}

export class BootsAhead {
  readonly #parts: AheadParts;
  readonly #places = new Places(() => this.fill());
  #turns = 0;
  #later: NodeJS.Timeout | null = null;
  #laterAt = 0;
  readonly #sweeping: NodeJS.Timeout;
  #closed = false;

  constructor(parts: AheadParts) {
    this.#parts = parts;
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeping);
    if (this.#later) clearTimeout(this.#later);
  }

  fillIn(delayMs: number): void {
    const at = performance.now() + delayMs;
    if (this.#closed || (this.#later !== null && this.#laterAt <= at)) return;
    if (this.#later) clearTimeout(this.#later);
    this.#laterAt = at;
    this.#later = setTimeout(() => this.fill(), delayMs).unref();
  }

  /** Begins as many boots as may be under way now. Each that ends comes back here. */
  fill(): void {
    if (this.#later) clearTimeout(this.#later);
    this.#later = null;
    const busy = this.#parts.busy();
    if (this.#closed || busy === null) return;
    while (this.#places.taken < Math.max(1, this.#parts.processors - busy)) {
      const shelf = this.#next(performance.now());
      if (shelf === null) return;
      this.#boot(shelf);
    }
  }

  /** How many boots it takes until every shelf has what it ought to. */
  lacking(): number {
    let all = 0;
    const now = performance.now();
    for (const shelf of this.#parts.shelves.kept()) all += Math.max(0, this.#lacks(shelf, now)) + shelf.booting;
    return all;
  }

  /** Of the shelves that lack one and may have it, the one for which none was booted longest. */
  #next(now: number): Shelf | null {
    const { shelves } = this.#parts;
    const inNeed = [...shelves.kept()].filter((shelf) => !shelf.pauses(now) && this.#lacks(shelf, now) > 0);
    inNeed.sort((a, b) => a.turn - b.turn);
    return inNeed.find((shelf) => this.#hasRoom(shelf, now)) ?? null;
  }

  #lacks(shelf: Shelf, now: number): number {
    if (shelf.tenant === null) this.#parts.sortOut(shelf);
    const target = this.#parts.shelves.target(shelf, now);
    // Old ones are replaced one by one; each goes when its successor is there.
    return Math.min(target - shelf.fresh(now), target + 1 - shelf.idle.length) - shelf.booting;
  }

  /** Makes room by what waits for those who ran less lately, or by the old ones it is to replace. */
  #hasRoom(shelf: Shelf, now: number): boolean {
    const { budget, shelves, drop } = this.#parts;
    for (;;) {
      const taken = shelves.bytes();
      if (taken + shelf.each <= budget.bytes(taken)) return true;
      const victim = shelf.fresh(now) < shelf.idle.length ? shelf : shelves.leastUsed(shelf);
      if (victim === null) return false;
      drop(victim);
    }
  }

  #boot(shelf: Shelf): void {
    shelf.turn = ++this.#turns;
    shelf.booting += 1;
    const end = this.#places.take();
    const isOver = () => {
      shelf.booting -= 1;
    };
    const { boot, track } = this.#parts;
    // One that fails fails again, and is told, when somebody asks. The next one begins before this one is over, for those who wait
    // until none is.
    const booted = boot(shelf).finally(isOver);
    track(booted.catch(() => shelf.failed(performance.now())).then(end));
  }

  #sweep(): void {
    const { shelves, budget, drop } = this.#parts;
    const now = performance.now();
    for (const shelf of shelves.all()) {
      for (let more = shelf.idle.length - shelves.target(shelf, now); more > 0; more -= 1) drop(shelf);
    }
    for (let taken = shelves.bytes(); taken > budget.bytes(taken); taken = shelves.bytes()) {
      const shelf = shelves.leastUsed(null);
      if (shelf === null) break;
      drop(shelf);
    }
    shelves.sweep(now);
    this.fill();
  }
}
