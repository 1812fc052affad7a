// Diff: what a run did to out/, found by comparing the dead sandbox's files with the workspace by content, and what of it
// goes back. Identity from the kernel only says which files need no look: same inode, times and size as delivered.
import { closeSync } from "node:fs";
import type { Changes } from "../model/files.js";
import { KEEP } from "../model/limits.js";
import { sameBytes } from "../safefs/content.js";
import { type Dir, type OpenFile, openSeenFileAt, openTrustedDir } from "../safefs/dir.js";
import { type Entry, statAt } from "../safefs/entry.js";
import { SafeFsError } from "../safefs/errors.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import type { KnownTree } from "../safefs/known-tree.js";
import { pacer } from "../safefs/pace.js";
import { ChangeLists } from "./change-lists.js";
import { judgeKept } from "./kept.js";
import {
  type Folder,
  isFolder,
  keyOf,
  lookUp,
  type Manifest,
  type Node,
  nodesBelow,
  scan,
  TICK_NS,
} from "./manifest.js";
import type { Prepared } from "./prepared.js";
import { normalMode } from "./recorded-tree.js";
import { readWork, type Work, withOut } from "./work.js";

/** Entries a run may add before its tree is no longer looked through to the end. */
const MAX_NEW_ENTRIES = 1_000_000;

export interface TreeDiff {
  /** Lists hold the first `KEEP.listEntries`; `totals` has the true counts. */
  readonly changes: Changes;
  readonly totals: { [list in keyof Changes]: number };
  /** Allocated bytes and entries that the run folder has more than before. */
  readonly growth: { bytes: number; entries: number };
  /** True where out/ is gone or no directory any more. */
  readonly replaced: boolean;
  /** Why nothing of this tree can go back to the workspace; null where it can. */
  readonly refused: string | null;
  /** True when this run wrote the file: its inode or times are others than at delivery. */
  written(path: string): boolean;
  existed(path: string): boolean;
  /** Why the entry at a path is not handed on; null where it is, or is not there. */
  leftOut(path: string): string | null;
  /** What a commit builds. */
  readonly sync: SyncPlan | null;
  /** All of the sandbox folder as it was found; null where not all of it was seen. */
  readonly tree: KnownTree | null;
}

export interface SyncPlan {
  /** Entries that are other than in the workspace, and those that are gone, the topmost of them. None: it holds this very tree. */
  readonly changed: ReadonlyMap<string, Node | null>;
  /** When a folder of the run's tree was last changed; null where it has no such folder. */
  folderTime(path: string): bigint | null;
}

/** What is compared where that is not all of the tree: the same paths of it now, at its delivery, and of the workspace. */
export interface Look {
  /** Its size is that of the whole tree. */
  readonly after: Manifest;
  readonly before: Folder;
  readonly source: Folder;
}

/** `after` is the tree as it was found; null where there is none. */
export async function diffTrees(
  prepared: Prepared,
  live: string | null,
  maxNewEntries = MAX_NEW_ENTRIES,
  look: Look | null = null,
): Promise<{ diff: TreeDiff; after: Manifest | null }> {
  const lists = new ChangeLists(KEEP.listEntries);
  // Opened first: it is given the permissions back that a program of our own user may have taken.
  const work = await readWork(prepared.dir, maxNewEntries, lists);
  const out = openOut(prepared.out);
  if (out === null) return { diff: replacedOut(prepared, lists, work), after: null };
  const workspace = live === null ? null : openTrustedDir(live);
  try {
    const after = look?.after ?? (await scan(out, prepared.baseline.size.entries + maxNewEntries));
    const before = look?.before ?? prepared.baseline.root;
    const source = look?.source ?? prepared.source?.root ?? null;
    judgeKept(after, { before: { ...prepared.baseline, root: before } });
    using comparison = new Comparison(prepared.baseline, lists, { out, live: workspace }, after.cut);
    await comparison.run(after.root, before, source);
    const { bytes, entries } = prepared.baseline.size;
    const diff = {
      ...lists.result(),
      growth: { bytes: after.size.bytes - bytes + work.bytes, entries: after.size.entries - entries + work.entries },
      replaced: false,
      refused: after.cut ? `out/ has more than ${maxNewEntries} new entries` : null,
      tree:
        after.cut || after.lost.length > 0 || work.folder === null
          ? null
          : withOut(work.folder, knownOut(prepared, after, look !== null)),
      sync: after.cut ? null : { changed: comparison.changed, folderTime: (path: string) => folderTime(after, path) },
      ...origin(prepared.baseline.root, after.root),
    };
    return { diff, after };
  } finally {
    out.close();
    workspace?.close();
  }
}

function knownOut({ baseline }: Prepared, after: Manifest, isPart: boolean): KnownTree {
  return isPart ? { root: baseline.root, changed: after.root } : { root: after.root, changed: null };
}

function folderTime({ root, mtimeNs }: Manifest, path: string): bigint | null {
  if (path === "") return mtimeNs;
  const node = lookUp(root, Buffer.from(path, "latin1"));
  return node !== null && isFolder(node) ? node.entry.mtimeNs : null;
}

function openOut(path: string): Dir | null {
  try {
    return openTrustedDir(path);
  } catch (error) {
    if (error instanceof SafeFsError && ["missing", "link", "not_directory"].includes(error.reason)) return null;
    throw error;
  }
}

function replacedOut(prepared: Prepared, lists: ChangeLists, { bytes, entries }: Work): TreeDiff {
  return {
    ...lists.result(),
    growth: { bytes, entries },
    replaced: true,
    refused: "out/ was removed or replaced by the program",
    sync: null,
    tree: null,
    ...origin(prepared.baseline.root, { children: new Map(), node: null, parent: null }),
  };
}

function origin(before: Folder, after: Folder): Pick<TreeDiff, "written" | "existed" | "leftOut"> {
  return {
    existed: (path) => lookUp(before, path) !== null,
    leftOut: (path) => lookUp(after, path)?.leftOut ?? null,
    written(path) {
      const now = lookUp(after, path);
      const then = lookUp(before, path);
      return now !== null && (then === null || !sameIdentity(now.entry, then.entry));
    },
  };
}

function sameIdentity(a: Entry, b: Entry): boolean {
  return (
    a.kind === b.kind &&
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.ctimeNs === b.ctimeNs &&
    a.mtimeNs === b.mtimeNs
  );
}

interface Frame {
  after: Folder;
  before: Folder | null;
  /** The workspace's folder as it was when the run got its copy. */
  source: Folder | null;
  todo: Iterator<[string, Node]>;
}

class Comparison implements Disposable {
  readonly changed = new Map<string, Node | null>();
  readonly #dirtySinceNs: bigint;
  readonly #lists: ChangeLists;
  readonly #out: FollowCursor;
  readonly #live: FollowCursor | null;
  /** Where the look at the tree was cut short, what was not seen may be there all the same. */
  readonly #cut: boolean;
  /** Answers for files with several names, by both inodes: each pair is read once. */
  readonly #compared = new Map<string, boolean>();

  constructor(baseline: Manifest, lists: ChangeLists, dirs: { out: Dir; live: Dir | null }, cut: boolean) {
    this.#dirtySinceNs = baseline.takenAtNs - TICK_NS;
    this.#lists = lists;
    this.#cut = cut;
    this.#out = new FollowCursor(dirs.out);
    this.#live = dirs.live && new FollowCursor(dirs.live);
  }

  async run(after: Folder, before: Folder, source: Folder | null): Promise<void> {
    const pause = pacer();
    const frames: Frame[] = [{ after, before, source, todo: after.children.entries() }];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      await pause();
      const { value, done } = frame.todo.next();
      if (done) {
        this.#deletedIn(frame);
        frames.pop();
        if (frames.length > 0) this.#up();
        continue;
      }
      const [key, node] = value;
      const then = frame.before?.children.get(key) ?? null;
      const copied = frame.source?.children.get(key) ?? null;
      if (node.leftOut !== null) {
        this.#leftOut(node, then);
      } else if (isFolder(node)) {
        const thenFolder = then !== null && isFolder(then) ? then : null;
        if (thenFolder === null) this.#appeared(node, then);
        this.#down(node.entry.name);
        const sourceFolder = copied !== null && isFolder(copied) ? copied : null;
        frames.push({ after: node, before: thenFolder, source: sourceFolder, todo: node.children.entries() });
      } else {
        await this.#fileOrLink(node, then, copied);
      }
    }
  }

  /** A directory where there was none. */
  #appeared(node: Node, then: Node | null): void {
    if (then !== null) this.#gone(then);
    this.#changed(node);
  }

  #changed(node: Node): void {
    this.changed.set(keyOf(node.entry.path), node);
  }

  #leftOut(node: Node, then: Node | null): void {
    if (then !== null) this.#gone(then);
    const below = isFolder(node) ? [...nodesBelow(node)].filter((inner) => !isFolder(inner)) : [];
    // A folder is told of by what it holds; one that could not be read, by itself.
    if (!isFolder(node) || (node.children.size === 0 && node.parent.node !== null)) this.#lists.skipped(node);
    for (const inner of below) this.#lists.skipped(inner);
  }

  async #fileOrLink(node: Node, then: Node | null, copied: Node | null): Promise<void> {
    if (then === null || isFolder(then)) {
      if (then !== null) this.#gone(then);
      this.#changed(node);
      this.#lists.created(node);
    } else if (await this.#sameContent(node, then, copied)) {
      const sameMode = normalMode(node.entry.mode) === normalMode(then.entry.mode) || node.entry.kind === "link";
      if (!sameMode) this.#changed(node);
    } else {
      this.#changed(node);
      this.#lists.modified(node);
    }
  }

  async #sameContent(node: Node, then: Node, copied: Node | null): Promise<boolean> {
    if (node.entry.kind !== then.entry.kind) return false;
    if (node.target !== null) return then.target?.equals(node.target) ?? false;
    if (node.entry.size !== then.entry.size) return false;
    const identical = sameIdentity(node.entry, then.entry);
    if (identical && then.entry.ctimeNs < this.#dirtySinceNs) return true;
    return (await this.#sameAsLive(node.entry, copied)) ?? identical;
  }

  /** Compares with the workspace's file that was copied; null where it is there no more, or was edited by hand meanwhile. */
  async #sameAsLive(entry: Entry, copied: Node | null): Promise<boolean | null> {
    const live = this.#live?.dir;
    const out = this.#out.dir;
    if (!live || !out || copied === null) return null;
    const now = statAt(live, entry.name);
    // Its ctime tells nothing: it moves whenever an old tree that shares the file is removed.
    if (now?.ino !== copied.entry.ino || now.size !== copied.entry.size || now.mtimeNs !== copied.entry.mtimeNs)
      return null;
    let liveFile: OpenFile;
    try {
      liveFile = openSeenFileAt(live, entry.name);
    } catch (error) {
      if (error instanceof SafeFsError) return null;
      throw error;
    }
    try {
      const outFile = openSeenFileAt(out, entry.name);
      try {
        return await this.#compareOnce(outFile, liveFile, entry.nlink > 1);
      } finally {
        closeSync(outFile.fd);
      }
    } finally {
      closeSync(liveFile.fd);
    }
  }

  async #compareOnce(a: OpenFile, b: OpenFile, remember: boolean): Promise<boolean> {
    if (!remember) return await sameBytes(a, b);
    const key = `${inodeOf(a)} ${inodeOf(b)}`;
    const same = this.#compared.get(key) ?? (await sameBytes(a, b));
    this.#compared.set(key, same);
    return same;
  }

  #deletedIn({ after, before }: Frame): void {
    if (this.#cut) return;
    for (const [key, then] of before?.children ?? []) if (!after.children.has(key)) this.#gone(then);
  }

  #gone(then: Node): void {
    this.changed.set(keyOf(then.entry.path), null);
    const nodes = isFolder(then) ? nodesBelow(then) : [then];
    for (const node of nodes) if (!isFolder(node)) this.#lists.deleted(node);
  }

  #down(name: Buffer): void {
    this.#out.down(name);
    this.#live?.down(name);
  }

  #up(): void {
    this.#out.up();
    this.#live?.up();
  }

  [Symbol.dispose](): void {
    this.#out[Symbol.dispose]();
    this.#live?.[Symbol.dispose]();
  }
}

const inodeOf = ({ stats: { dev, ino } }: OpenFile): string => `${dev}:${ino}`;
