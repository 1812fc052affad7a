// A cursor that follows a walk of another tree by name. It opens a directory only when something in it is asked for, and
// where the tree has no such directory it says so until the walk is back above.
import { DirCursor } from "./cursor.js";
import type { Dir } from "./dir.js";
import { SafeFsError } from "./errors.js";

export class FollowCursor implements Disposable {
  readonly #cursor: DirCursor;
  /** Names gone down to that are not opened yet. */
  readonly #pending: Buffer[] = [];
  /** The level below which nothing can be opened, counted in names that were gone down. */
  #blockedAt: number | null = null;

  constructor(root: Dir) {
    this.#cursor = new DirCursor(root);
  }

  down(name: Buffer): void {
    this.#pending.push(name);
  }

  up(): void {
    if (this.#pending.pop() === undefined) this.#leave();
    if (this.#blockedAt !== null && this.#depth < this.#blockedAt) this.#blockedAt = null;
  }

  /** The directory this tree has at the walk's place; null where it has none. */
  get dir(): Dir | null {
    while (this.#blockedAt === null) {
      const next = this.#pending[0];
      if (next === undefined) return this.#cursor.dir;
      try {
        this.#cursor.enter(next);
        this.#pending.shift();
      } catch (error) {
        if (!(error instanceof SafeFsError)) throw error;
        this.#blockedAt = this.#cursor.depth + 1;
      }
    }
    return null;
  }

  get #depth(): number {
    return this.#cursor.depth + this.#pending.length;
  }

  #leave(): void {
    try {
      this.#cursor.leave();
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
      // The directory above was moved away: nothing of this tree can be reached until the walk is above it, too.
      this.#blockedAt = this.#cursor.depth;
    }
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
  }
}
