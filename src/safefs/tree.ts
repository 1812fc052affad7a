// The only door to files a sandbox may have touched. A Tree is one opened directory; every access stays beneath it, opens
// one path component at a time, follows no link and never blocks on a special file.
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  openSync,
  read,
  renameSync,
  unlinkSync,
} from "node:fs";
import { promisify } from "node:util";
import type { FileOwner } from "../model/instance.js";
import { overwrite, readWhole, writeAll } from "./descriptor.js";
import { type Dir, type OpenFile, openDirAt, openFileAt, openTrustedDir } from "./dir.js";
import { type Entry, readLinkAt, statAt } from "./entry.js";
import { errnoOf, SafeFsError } from "./errors.js";
import { makeDir } from "./make-dir.js";
import { pacer } from "./pace.js";
import { type RelPath, splitPath } from "./rel-path.js";
import { removeAt } from "./remove.js";
import { traverse } from "./walk.js";

export { displayPath } from "./display-path.js";
export type { Entry, EntryKind } from "./entry.js";
export { SafeFsError } from "./errors.js";
export type { RelPath } from "./rel-path.js";
export { removeTree } from "./remove.js";

/** Bytes a hash reads at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** A file with holes is hashed up to this size: its zeros cost time although they cost no disk. */
const MAX_SPARSE_BYTES = 4 * 1024 ** 3;

const REWRITE = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const readAsync = promisify(read);

export interface WriteOptions {
  /** Permission bits; default 0644 for files, 0755 for directories. */
  mode?: number;
  owner?: FileOwner;
}

export interface WalkOptions {
  /** The walk ends after this many entries. */
  maxEntries?: number;
  /** True for a directory that is yielded but not entered. */
  skip?: (path: Buffer) => boolean;
  /** Told of a directory that could not be opened or listed; without it such a directory counts as empty. */
  onLost?: (entry: Entry, error: SafeFsError) => void;
}

export class Tree implements Disposable {
  /** The opened directory itself, for the other modules of safefs and for code that copies whole trees. */
  readonly root: Dir;

  private constructor(root: Dir) {
    this.root = root;
  }

  /** The path is trusted; its last component must be a real directory. */
  static open(path: string): Tree {
    return new Tree(openTrustedDir(path));
  }

  /** The entry itself, never what it points to; null where it, or a real directory above it, is absent. */
  stat(rel: RelPath): Entry | null {
    try {
      return this.#at(rel, (dir, name) => statAt(dir, name));
    } catch (error) {
      if (error instanceof SafeFsError && ["missing", "link", "not_directory"].includes(error.reason)) return null;
      throw error;
    }
  }

  /** A descriptor of a regular file; the caller closes it. */
  openFile(rel: RelPath): number {
    return this.#open(rel).fd;
  }

  /** All of a regular file; `too_large` beyond `maxBytes`. */
  readFile(rel: RelPath, maxBytes: number): Buffer {
    return this.#at(rel, (dir, name) => readFileAt(dir, name, maxBytes));
  }

  /** SHA-256 in hex, streamed. `too_large` beyond `maxBytes`, and for a file with holes that pretends to be huge. */
  async hashFile(rel: RelPath, options: { maxBytes?: number } = {}): Promise<string> {
    const { fd, stats } = this.#open(rel);
    try {
      const size = Number(stats.size);
      const bound = Math.min(
        options.maxBytes ?? Number.POSITIVE_INFINITY,
        stats.blocks * 512n < stats.size ? MAX_SPARSE_BYTES : Number.POSITIVE_INFINITY,
      );
      if (size > bound) throw tooLarge(size, bound);
      const hash = createHash("sha256");
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size + 1));
      for (let total = 0; ; ) {
        const { bytesRead } = await readAsync(fd, chunk, 0, chunk.length, null);
        if (bytesRead === 0) return hash.digest("hex");
        total += bytesRead;
        if (total > size) throw new SafeFsError("moved", "the file grows while it is read");
        hash.update(chunk.subarray(0, bytesRead));
      }
    } finally {
      closeSync(fd);
    }
  }

  /** A regular file's bytes in order, as far as it reaches at the beginning. Each chunk is the reader's to keep. */
  async *chunks(rel: RelPath, chunkBytes: number): AsyncGenerator<Buffer, void, undefined> {
    const { fd, stats } = this.#open(rel);
    try {
      for (let left = Number(stats.size); left > 0; ) {
        const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, left));
        const { bytesRead } = await readAsync(fd, chunk, 0, chunk.length, null);
        if (bytesRead === 0) return;
        left -= bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
    } finally {
      closeSync(fd);
    }
  }

  /** Where a symbolic link points, as bytes. */
  readLink(rel: RelPath): Buffer {
    return this.#at(rel, (dir, name) => {
      const target = readLinkAt(dir, name);
      if (target !== null) return target;
      throw new SafeFsError(statAt(dir, name) === null ? "missing" : "not_regular", "the entry is no symbolic link");
    });
  }

  /** Every entry, parents before children, in byte order of names. Lets the event loop run every few milliseconds. */
  async *walk(options: WalkOptions = {}): AsyncGenerator<Entry> {
    const maxEntries = options.maxEntries ?? Number.POSITIVE_INFINITY;
    const pause = pacer();
    let count = 0;
    for (const step of traverse(this.root, maxEntries)) {
      if (step.type === "lost") options.onLost?.(step.entry, step.error);
      if (step.type !== "entry") continue;
      if (count >= maxEntries) return;
      count += 1;
      await pause();
      yield step.entry;
      if (step.entry.kind === "dir" && options.skip?.(step.entry.path)) step.descend = false;
    }
  }

  /**
   * Allocated bytes and number of entries below; ends early beyond `maxEntries`, with a count that says so. Of a tree that a
   * program turns over meanwhile it is what could be seen: who measures while one runs must not be blinded by it.
   */
  async measure(options: { maxEntries?: number } = {}): Promise<{ bytes: number; entries: number }> {
    const maxEntries = options.maxEntries ?? Number.POSITIVE_INFINITY;
    const pause = pacer();
    const counted = new Set<string>();
    let bytes = 0;
    let entries = 0;
    try {
      for (const { type, entry } of traverse(this.root, maxEntries + 1)) {
        if (type !== "entry") continue;
        await pause();
        entries += 1;
        if (entries > maxEntries) break;
        // Several names of one file occupy the disk once.
        if (entry.nlink > 1 && entry.kind !== "dir") {
          const identity = `${entry.dev}:${entry.ino}`;
          if (counted.has(identity)) continue;
          counted.add(identity);
        }
        bytes += entry.blocks * 512;
      }
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
    }
    return { bytes, entries };
  }

  /**
   * Writes a whole file; parents are made beneath. What was there before is replaced in one step, a link too, and is never
   * written through. With `exclusive` an entry that exists is left alone: `exists`.
   */
  writeFile(rel: RelPath, data: Buffer | string, options: WriteOptions & { exclusive?: boolean } = {}): void {
    const parts = splitPath(rel);
    const name = lastOf(parts);
    this.#make(parts.slice(0, -1), options.owner === undefined ? {} : { owner: options.owner }, (dir) => {
      const target = dir.child(name);
      const path = options.exclusive ? target : dir.child(Buffer.from(`.${randomBytes(9).toString("hex")}.part`));
      const fd = createFile(path);
      try {
        writeAll(fd, typeof data === "string" ? Buffer.from(data) : data);
        if (options.owner) fchownSync(fd, options.owner.uid, options.owner.gid);
        fchmodSync(fd, options.mode ?? 0o644);
        if (!options.exclusive) renameSync(path, target);
      } catch (error) {
        discard(path);
        const reason = errnoOf(error) === "EISDIR" ? "exists" : "io";
        throw new SafeFsError(reason, `cannot write the file: ${errnoOf(error)}`, error);
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Writes a regular file anew, of the host's own and under no other name: it stays the same file. False where nothing is there. */
  rewriteFile(rel: RelPath, data: Buffer | string): boolean {
    return this.#at(rel, (dir, name) => {
      const fd = openPresent(dir.child(name), REWRITE);
      if (fd === null) return false;
      try {
        const stats = fstatSync(fd);
        if (!stats.isFile() || stats.nlink !== 1)
          throw new SafeFsError("not_regular", "the entry is no file of one name");
        overwrite(fd, typeof data === "string" ? Buffer.from(data) : data, stats.size);
        return true;
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Makes a directory and those above it; fine where it exists. */
  makeDir(rel: RelPath, options: WriteOptions = {}): void {
    this.#make(splitPath(rel), options, () => undefined);
  }

  /** Moves a file or folder of the host's own, on the same mount, to `rel`; an empty folder or a file there is replaced. */
  adopt(rel: RelPath, from: string): void {
    this.#at(rel, (dir, name) => {
      try {
        renameSync(from, dir.child(name));
      } catch (error) {
        throw new SafeFsError("io", `cannot move it there: ${errnoOf(error)}`, error);
      }
    });
  }

  /** Removes an entry with all below it; fine where it is absent. */
  async remove(rel: RelPath): Promise<void> {
    const parts = splitPath(rel);
    let dir: Dir;
    try {
      dir = this.#descend(parts.slice(0, -1));
    } catch (error) {
      if (error instanceof SafeFsError && error.reason === "missing") return;
      throw error;
    }
    try {
      await removeAt(dir, lastOf(parts));
    } finally {
      this.#release(dir);
    }
  }

  close(): void {
    this.root.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(rel: RelPath): OpenFile {
    return this.#at(rel, openFileAt);
  }

  #at<T>(rel: RelPath, act: (dir: Dir, name: Buffer) => T): T {
    const parts = splitPath(rel);
    const dir = this.#descend(parts.slice(0, -1));
    try {
      return act(dir, lastOf(parts));
    } finally {
      this.#release(dir);
    }
  }

  #descend(names: Buffer[]): Dir {
    let dir = this.root;
    for (const name of names) {
      try {
        const next = openDirAt(dir, name);
        this.#release(dir);
        dir = next;
      } catch (error) {
        this.#release(dir);
        throw error;
      }
    }
    return dir;
  }

  #make<T>(names: Buffer[], options: WriteOptions, act: (dir: Dir) => T): T {
    let dir = this.root;
    try {
      for (const name of names) {
        const made = makeDirAt(dir, name);
        const next = openDirAt(dir, name);
        this.#release(dir);
        dir = next;
        if (!made) continue;
        if (options.owner) fchownSync(dir.fd, options.owner.uid, options.owner.gid);
        fchmodSync(dir.fd, options.mode ?? 0o755);
      }
      return act(dir);
    } finally {
      this.#release(dir);
    }
  }

  #release(dir: Dir): void {
    if (dir !== this.root) dir.close();
  }
}

/** All of the regular file `name`; `too_large` beyond `maxBytes`. */
export function readFileAt(dir: Dir, name: Buffer, maxBytes: number): Buffer {
  const { fd, stats } = openFileAt(dir, name);
  try {
    const size = Number(stats.size);
    if (size > maxBytes) throw tooLarge(size, maxBytes);
    const data = readWhole(fd, size);
    if (data.length > maxBytes) throw tooLarge(data.length, maxBytes);
    return data;
  } finally {
    closeSync(fd);
  }
}

function lastOf(parts: Buffer[]): Buffer {
  const name = parts.at(-1);
  if (name === undefined) throw new SafeFsError("invalid_path", "the path is empty");
  return name;
}

function makeDirAt(dir: Dir, name: Buffer): boolean {
  try {
    return makeDir(dir.child(name), 0o700);
  } catch (error) {
    throw new SafeFsError("io", `cannot make a directory: ${errnoOf(error)}`, error);
  }
}

function openPresent(path: Buffer, flags: number): number | null {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}

function createFile(path: Buffer): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") throw new SafeFsError("exists", "the entry exists", error);
    throw new SafeFsError("io", `cannot create the file: ${errnoOf(error)}`, error);
  }
}

/** Takes back a file that was not finished; it may be gone already. */
function discard(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch {
    // The error that led here is the one to tell.
  }
}

function tooLarge(size: number, bound: number): SafeFsError {
  return new SafeFsError("too_large", `the file has ${size} bytes, more than ${bound}`);
}
