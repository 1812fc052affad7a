// Earlier versions of a workspace: what each held, and where the files are that it had.
import { join } from "node:path";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { statAt, type TreeEntry } from "../safefs/entry.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { applyDelta, type Delta, revertDelta, touches } from "./delta.js";
import { isDirectory } from "./live.js";
import type { Known } from "./record-log.js";
import type { RecordedTree } from "./recorded-tree.js";
import { damagedDelta, idsIn, readDeltaIn, savedDir } from "./version-folder.js";

/** A regular file of an earlier version. */
export interface Located {
  /** The tree it is in, and the folder there. */
  readonly root: Dir;
  readonly folder: Dir;
  readonly entry: TreeEntry;
  /** True where no later version replaced it. */
  readonly isNewest: boolean;
}

interface Later {
  readonly id: string;
  readonly delta: Delta;
  /** What the version before had and this one has not; null where there is nothing. */
  readonly saved: Dir | null;
}

export class Past implements Disposable {
  readonly #base: Dir;
  readonly #newest: RecordedTree;
  /** In the order in which they were made. */
  readonly #changes: readonly Later[];
  /** Folders of versions of which it is not known what they changed, by id. */
  readonly #unknown: ReadonlyMap<string, string>;
  readonly #cursors = new Map<Dir, PathCursor>();

  private constructor(
    base: Dir,
    newest: RecordedTree,
    changes: readonly Later[],
    unknown: ReadonlyMap<string, string>,
  ) {
    this.#unknown = unknown;
    this.#base = base;
    this.#newest = newest;
    this.#changes = changes;
  }

  /**
   * `base` has the files of the newest version and stays the caller's; `known` is the record of that or, where a process died, of the one
   * before.
   */
  static open(versions: string, base: Dir, known: Known): Past {
    const ids = idsIn(versions);
    const newest: RecordedTree = new Map(known.tree);
    const changes: Later[] = [];
    const unknown = new Map<string, string>();
    for (const [at, id] of ids.entries()) {
      const delta = readDeltaIn(join(versions, id), id);
      if (delta === null) {
        unknown.set(id, join(versions, id));
        continue;
      }
      if (id > known.id) applyDelta(newest, delta);
      const saved = savedDir(join(versions, ids[at - 1] ?? id));
      changes.push({ id, delta, saved: isDirectory(saved) ? openTrustedDir(saved) : null });
    }
    return new Past(base, newest, changes, unknown);
  }

  /** What a version held. Throws where it is not known what a later one changed. */
  treeOf(id: string): RecordedTree {
    for (const [later, folder] of this.#unknown) if (later > id) throw damagedDelta(folder);
    const tree: RecordedTree = new Map(this.#newest);
    for (const change of [...this.#changes].reverse()) if (change.id > id) revertDelta(tree, change.delta);
    return tree;
  }

  /** The regular file that a version had at a path, as it is now; null where it is nowhere any more. */
  locate(id: string, path: string): Located | null {
    for (const { id: later, delta, saved } of this.#changes) {
      if (later <= id || saved === null || !touches(delta, path)) continue;
      const found = this.#look(saved, path);
      if (found !== null) return { ...found, isNewest: false };
    }
    const found = this.#look(this.#base, path);
    return found && { ...found, isNewest: true };
  }

  #look(root: Dir, path: string): Omit<Located, "isNewest"> | null {
    const cursor = this.#cursors.get(root) ?? new PathCursor(root);
    this.#cursors.set(root, cursor);
    const [above, name] = splitLast(path);
    const folder = cursor.go(above);
    const entry = folder && statAt(folder, name);
    return folder !== null && entry?.kind === "file" ? { root, folder, entry } : null;
  }

  [Symbol.dispose](): void {
    for (const cursor of this.#cursors.values()) cursor[Symbol.dispose]();
    for (const { saved } of this.#changes) saved?.close();
  }
}
