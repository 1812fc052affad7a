// A place in a tree that moves down and up one directory at a time with few descriptors open, whatever the depth.
import { type Dir, openDirAt, openParent } from "./dir.js";
import { SafeFsError } from "./errors.js";

/** Descriptors one cursor keeps open; older levels are closed and opened again on the way up. */
const OPEN_LEVELS = 32;

interface Level {
  name: Buffer;
  dev: bigint;
  ino: bigint;
  dir: Dir | null;
}

export class DirCursor implements Disposable {
  readonly #root: Dir;
  readonly #levels: Level[] = [];

  /** The root stays the caller's to close. */
  constructor(root: Dir) {
    this.#root = root;
  }

  /** The directory the cursor is at. */
  get dir(): Dir {
    const top = this.#levels.at(-1);
    if (top === undefined) return this.#root;
    if (top.dir === null) throw new SafeFsError("moved", "the directory was left behind");
    return top.dir;
  }

  get depth(): number {
    return this.#levels.length;
  }

  enter(name: Buffer): void {
    const dir = openDirAt(this.dir, name);
    this.#levels.push({ name, dev: dir.dev, ino: dir.ino, dir });
    const old = this.#levels.at(-1 - OPEN_LEVELS);
    if (old?.dir) {
      old.dir.close();
      old.dir = null;
    }
  }

  /** Back to the directory above. Throws `moved` where that one is no longer where it was; the cursor is above it then. */
  leave(): void {
    const left = this.#levels.pop();
    const top = this.#levels.at(-1);
    try {
      if (top === undefined || top.dir !== null) return;
      top.dir = (left?.dir && openParent(left.dir, top)) ?? this.#descend();
    } finally {
      left?.dir?.close();
    }
  }

  /** Opens the top level again from the root, by name, and accepts it only if it is the same directory as before. */
  #descend(): Dir {
    let dir = this.#root;
    try {
      for (const level of this.#levels) {
        const next = openDirAt(dir, level.name);
        if (dir !== this.#root) dir.close();
        dir = next;
        if (dir.dev !== level.dev || dir.ino !== level.ino) {
          throw new SafeFsError("moved", "a directory was replaced while it was walked");
        }
      }
    } catch (error) {
      if (dir !== this.#root) dir.close();
      throw error;
    }
    return dir;
  }

  [Symbol.dispose](): void {
    for (const level of this.#levels) level.dir?.close();
    this.#levels.length = 0;
  }
}
