// How much memory sandboxes may take while they only wait.
import { freemem, totalmem } from "node:os";

/** Of all that this machine, or the control group of this process, has. */
const SHARE_OF_ALL = 1 / 8;
/** Of what would be free if none of them waited: where others need the memory, fewer wait. */
const SHARE_OF_FREE = 1 / 4;
/** How long a look at the free memory is good for. */
const LOOK_MS = 1_000;

export interface Memory {
  /** Bytes. */
  readonly all: number;
  readonly free: number;
}

export class MemoryBudget {
  readonly #fixed: number | null;
  readonly #look: () => Memory;
  #seen: Memory | null = null;
  #seenAt = 0;

  /** `fixed` bytes are the operator's own choice. */
  constructor(fixed: number | null, look: () => Memory = lookAtHost) {
    this.#fixed = fixed;
    this.#look = look;
  }

  /** Bytes for all that wait, of which `taken` are taken now. */
  bytes(taken: number): number {
    if (this.#fixed !== null) return this.#fixed;
    const now = performance.now();
    if (this.#seen === null || now - this.#seenAt > LOOK_MS) {
      this.#seen = this.#look();
      this.#seenAt = now;
    }
    return Math.min(this.#seen.all * SHARE_OF_ALL, (this.#seen.free + taken) * SHARE_OF_FREE);
  }
}

/** What a group's files take in the page cache counts as used there: only its limit is taken, and what is free is the machine's. */
function lookAtHost(): Memory {
  const all = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return { all, free: Math.min(freemem(), all) };
}
