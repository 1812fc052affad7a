// A set of changes made to a tree that nobody looks at yet, and the record of what they changed.
import { mkdirSync } from "node:fs";
import { type Dir, openDirAt } from "../safefs/dir.js";
import { statAt, type TreeEntry } from "../safefs/entry.js";
import { pacer } from "../safefs/pace.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { removeAt } from "../safefs/remove.js";
import { traverse } from "../safefs/walk.js";
import { type Delta, emptyDelta } from "./delta.js";
import { keyOf } from "./manifest.js";
import { type Manner, placeCopy, placeSymlink, settleDir, settleFile, tryLink } from "./place-file.js";
import {
  type Recorded,
  type RecordedFile,
  type RecordedTree,
  recordFile,
  recordOpen,
  sameRecord,
} from "./recorded-tree.js";

/** What comes to a path. A directory that is there already stays, with what is in it. */
export type Coming =
  | { readonly kind: "dir" }
  | { readonly kind: "link"; readonly target: Buffer; readonly mtimeNs: bigint | null }
  /** The file at the same path of the tree `from`: copied from a sandbox, or one more name for it from a tree of ours. */
  | { readonly kind: "file"; readonly from: Dir; readonly entry: TreeEntry | null; readonly by: "copy" | "link" };

export interface Change {
  /** Bytes as latin1. */
  readonly path: string;
  /** Null: what is at the path goes, with all below it. */
  readonly coming: Coming | null;
}

export interface Plan {
  /** In any order; a path that goes has no other below it. */
  readonly changes: readonly Change[];
  /** The time a folder gets whose entries change; null where nothing is said of it. */
  readonly folderTime?: (path: string) => bigint | null;
}

/** What the changes changed of `known`; without that, of paths alone. */
export async function applyChanges(tree: Dir, plan: Plan, known: RecordedTree | null, manner: Manner): Promise<Delta> {
  using applying = new Applying(tree, known, manner);
  const pause = pacer();
  const changes = [...plan.changes].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, coming } of changes) {
    await pause();
    await applying.one(path, coming);
  }
  applying.settleFolders(plan.folderTime ?? (() => null));
  return applying.delta;
}

/** Where nothing is recorded of what an entry is. */
const PATH_ALONE: Recorded = { kind: "dir" };

class Applying implements Disposable {
  readonly delta = emptyDelta();
  readonly #known: RecordedTree | null;
  readonly #manner: Manner;
  readonly #tree: PathCursor;
  /** Looks at names that were placed before. */
  readonly #placed: PathCursor;
  readonly #sources = new Map<Dir, PathCursor>();
  /** Folders whose entries changed. */
  readonly #folders = new Set<string>();
  /** Where files with several names were placed first, by their inode in the sandbox. */
  readonly #firstNames = new Map<string, string>();

  constructor(tree: Dir, known: RecordedTree | null, manner: Manner) {
    this.#known = known;
    this.#manner = manner;
    this.#tree = new PathCursor(tree);
    this.#placed = new PathCursor(tree);
  }

  async one(path: string, coming: Coming | null): Promise<void> {
    const [folder, name] = splitLast(path);
    const dir = coming === null ? this.#tree.go(folder) : await this.#folderFor(folder);
    if (dir === null) return;
    const found = statAt(dir, name);
    if (coming?.kind === "dir" && found?.kind === "dir") return;
    if (found !== null) await this.#remove(dir, found, path);
    if (coming === null && found === null) return;
    this.#folders.add(folder);
    if (coming !== null) await this.#place(dir, name, path, coming);
  }

  settleFolders(timeOf: (path: string) => bigint | null): void {
    // The deepest first: what is made in a folder moves its time.
    for (const path of [...this.#folders].sort().reverse()) {
      const dir = this.#tree.go(path);
      if (dir !== null) settleDir(dir, timeOf(path), this.#manner);
    }
  }

  /** The folder at a path, made where somebody took it away. */
  async #folderFor(path: string): Promise<Dir | null> {
    const there = this.#tree.go(path);
    if (there !== null) return there;
    const names = path.split("/");
    for (let depth = 1; depth <= names.length; depth += 1) {
      await this.one(names.slice(0, depth).join("/"), { kind: "dir" });
    }
    return this.#tree.go(path);
  }

  async #remove(dir: Dir, entry: TreeEntry, path: string): Promise<void> {
    this.#was(path);
    if (entry.kind === "dir") {
      using below = openDirAt(dir, entry.name);
      for (const step of traverse(below)) if (step.type === "entry") this.#was(`${path}/${keyOf(step.entry.path)}`);
    }
    await removeAt(dir, entry.name, undefined, entry);
  }

  #was(path: string): void {
    const recorded = this.#known === null ? PATH_ALONE : this.#known.get(path);
    // What an earlier change of this set placed was never anybody's.
    if (!this.delta.now.delete(path) && recorded !== undefined) this.delta.was.set(path, recorded);
  }

  async #place(dir: Dir, name: Buffer, path: string, coming: Coming): Promise<void> {
    const target = dir.child(name);
    let recorded: Recorded;
    if (coming.kind === "dir") {
      mkdirSync(target, 0o700);
      this.#folders.add(path);
      recorded = { kind: "dir" };
    } else if (coming.kind === "link") {
      placeSymlink(target, coming.target, coming.mtimeNs, this.#manner);
      recorded = { kind: "link", target: keyOf(coming.target) };
    } else {
      const copied = await this.#placeFile(dir, name, path, coming);
      if (this.#known === null) {
        this.delta.now.set(path, PATH_ALONE);
        return;
      }
      recorded = copied ?? (await recordFile(dir, name));
    }
    const was = this.delta.was.get(path);
    if (sameRecord(was, recorded) && recorded.kind !== "file") this.delta.was.delete(path);
    else this.delta.now.set(path, recorded);
  }

  /** What the file is where it was copied, and that is asked for. */
  async #placeFile(
    dir: Dir,
    name: Buffer,
    path: string,
    coming: Coming & { kind: "file" },
  ): Promise<RecordedFile | undefined> {
    const { from, entry, by } = coming;
    const target = dir.child(name);
    const [folder] = splitLast(path);
    const source = this.#sourceOf(from).go(folder);
    const wanted = entry ?? (source && statAt(source, name));
    if (wanted === null) throw new Error("a file that was to be placed is gone");
    if (by === "link" && source !== null && tryLink(source.child(name), target)) {
      if (settleFile(dir, name, wanted, this.#manner)) return undefined;
      await removeAt(dir, name);
    }
    const inode = wanted.nlink > 1 && by === "copy" ? `${wanted.dev}:${wanted.ino}` : null;
    const first = inode === null ? undefined : this.#firstNames.get(inode);
    if (first !== undefined && this.#linkPlaced(first, target)) return undefined;
    const look = this.#known === null ? undefined : recordOpen;
    const copied = await placeCopy(source, wanted, target, this.#manner, look);
    if (inode !== null && first === undefined) this.#firstNames.set(inode, path);
    return copied;
  }

  #linkPlaced(first: string, target: Buffer): boolean {
    const [folder, name] = splitLast(first);
    const dir = this.#placed.go(folder);
    return dir !== null && tryLink(dir.child(name), target);
  }

  #sourceOf(root: Dir): PathCursor {
    const known = this.#sources.get(root);
    if (known !== undefined) return known;
    const cursor = new PathCursor(root);
    this.#sources.set(root, cursor);
    return cursor;
  }

  [Symbol.dispose](): void {
    for (const cursor of this.#sources.values()) cursor[Symbol.dispose]();
    this.#placed[Symbol.dispose]();
    this.#tree[Symbol.dispose]();
  }
}
