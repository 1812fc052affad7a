// Goes to the directories of one tree by path, one after another: only what differs from the path before is closed and opened.
import { DirCursor } from "./cursor.js";
import type { Dir } from "./dir.js";
import { SafeFsError } from "./errors.js";
import { makeDir } from "./make-dir.js";

/** Reasons that say there is no such directory. */
const NONE = new Set(["missing", "link", "not_directory"]);

export class PathCursor implements Disposable {
  readonly #cursor: DirCursor;
  #names: string[] = [];

  /** The root stays the caller's to close. */
  constructor(root: Dir) {
    this.#cursor = new DirCursor(root);
  }

  /** The directory at a path of names as latin1, "" for the root; null where there is none, or none without a link on the way. */
  go(path: string): Dir | null {
    return this.#go(path, () => false);
  }

  /** The same, made with `mode` where it is absent. */
  make(path: string, mode: number): Dir | null {
    return this.#go(path, (target) => makeDir(target, mode));
  }

  #go(path: string, make: (target: Buffer) => boolean): Dir | null {
    const names = path === "" ? [] : path.split("/");
    this.#leaveTo(names);
    for (const name of names.slice(this.#names.length)) {
      const bytes = Buffer.from(name, "latin1");
      if (!this.#enter(bytes) && !(make(this.#cursor.dir.child(bytes)) && this.#enter(bytes))) return null;
      this.#names.push(name);
    }
    return this.#cursor.dir;
  }

  #leaveTo(names: string[]): void {
    let shared = 0;
    while (shared < this.#names.length && this.#names[shared] === names[shared]) shared += 1;
    try {
      for (; this.#names.length > shared; this.#names.pop()) this.#cursor.leave();
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
      // What was above is there no more: from the root again.
      this.#cursor[Symbol.dispose]();
      this.#names = [];
    }
  }

  #enter(name: Buffer): boolean {
    try {
      this.#cursor.enter(name);
      return true;
    } catch (error) {
      if (error instanceof SafeFsError && NONE.has(error.reason)) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
  }
}

/** The folder that a path of latin1 is in, and its name there. */
export function splitLast(path: string): [above: string, name: Buffer] {
  const at = path.lastIndexOf("/");
  return [at === -1 ? "" : path.slice(0, at), Buffer.from(path.slice(at + 1), "latin1")];
}
