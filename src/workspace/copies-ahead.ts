// Copies of small workspaces that are made while nobody waits for them: the next run finds its out/ built. A copy is had only where the live
// tree is, entry by entry, the one that it was made of; else the run copies by itself, as it does where there is none.
import { randomBytes } from "node:crypto";
import { closeSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { FileOwner, Instance } from "../model/instance.js";
import { sameBytes } from "../safefs/content.js";
import { type Dir, type OpenFile, openSeenFileAt, openTrustedDir } from "../safefs/dir.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { buildTree } from "./build-tree.js";
import { judgeKept } from "./kept.js";
import { type Layout, liveDir } from "./layout.js";
import {
  clockNs,
  type Folder,
  isFolder,
  keyOf,
  type Manifest,
  type Node,
  nodesBelow,
  scan,
  TICK_NS,
} from "./manifest.js";
import { makeOpenFolder } from "./own-folder.js";
import type { Trash } from "./trash.js";

/** A run that follows the last one sooner copies by itself, as do all while any workspace is in use: to copy beside them would take their processor. */
const AFTER_MS = 20;
/** Of one tree, files with their holes; larger ones are kept in another way, or are copied when they are needed. */
const MOST = { entries: 64, bytes: 1024 ** 2 };
/** The workspaces used last. */
const MAX_COPIES = 64;

interface Parts {
  readonly layout: Layout;
  readonly instance: Instance;
  readonly trash: Trash;
}

interface CopyAhead {
  readonly path: string;
  readonly source: Manifest;
  readonly built: Manifest;
  readonly owner: FileOwner | null;
}

export class CopiesAhead {
  readonly #parts: Parts;
  readonly #copies = new Map<string, CopyAhead>();
  /** Whose the files of each workspace's last run were. */
  readonly #owners = new Map<string, FileOwner | null>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #making = new Map<string, Promise<void>>();
  /** How many workspaces are. */
  #inUse = 0;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The workspace is in use until the answer is called, which does nothing a second time. */
  entered(dirName: string): () => void {
    this.#inUse += 1;
    this.#stopTimer(dirName);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#inUse -= 1;
      this.#makeLater(dirName);
    };
  }

  /** Moves the copy of the tree `dir`, of which `live` tells, to `target`, where nothing is; null where there is none for `owner`. */
  async take(
    dirName: string,
    { live, dir }: { live: Manifest; dir: Dir },
    owner: FileOwner | null,
    target: string,
  ): Promise<Manifest | null> {
    this.#owners.delete(dirName);
    this.#owners.set(dirName, owner);
    for (const name of this.#owners.keys()) if (this.#owners.size > MAX_COPIES) this.#forget(name);
    const copy = this.#copies.get(dirName);
    if (copy === undefined) return null;
    this.#copies.delete(dirName);
    const isIts = copy.owner?.uid === owner?.uid && copy.owner?.gid === owner?.gid;
    try {
      if (isIts && isSameTree(copy.source, live) && (await hasSameBytes(copy, dir))) {
        renameSync(copy.path, target);
        // What happened to it until now was ours.
        return { ...copy.built, takenAtNs: clockNs() };
      }
    } catch {
      // It is there no more, or the tree is changing.
    }
    this.#discard(copy);
    return null;
  }

  /** Resolves when nothing is being made; what was made is left to whoever clears up after this instance. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const dirName of [...this.#timers.keys()]) this.#stopTimer(dirName);
    await Promise.all(this.#making.values());
  }

  #makeLater(dirName: string): void {
    if (this.#isClosed || !this.#owners.has(dirName)) return;
    this.#stopTimer(dirName);
    const timer = setTimeout(() => {
      this.#timers.delete(dirName);
      // Where others are at work there is no time that is nobody's.
      if (this.#inUse > 0 || this.#making.has(dirName)) return;
      const making = this.#make(dirName).catch(() => undefined);
      this.#making.set(dirName, making);
      void making.then(() => this.#making.delete(dirName));
    }, AFTER_MS);
    this.#timers.set(dirName, timer.unref());
  }

  #stopTimer(dirName: string): void {
    clearTimeout(this.#timers.get(dirName));
    this.#timers.delete(dirName);
  }

  async #make(dirName: string): Promise<void> {
    const { layout, instance, trash } = this.#parts;
    const owner = this.#owners.get(dirName);
    if (owner === undefined) return;
    using live = openTrustedDir(liveDir(layout, dirName));
    const source = await scan(live, MOST.entries);
    judgeKept(source);
    const known = this.#copies.get(dirName);
    if (known !== undefined) {
      if (isSameTree(known.source, source)) return;
      this.#copies.delete(dirName);
      this.#discard(known);
    }
    if (!isSmall(source) || !isAtRest(source)) return;
    const path = join(layout.building, `${instance.id}.ahead.${randomBytes(8).toString("hex")}`);
    try {
      makeOpenFolder(path);
      using target = openTrustedDir(path);
      const built = await buildTree({ root: source.root, source: live, target, links: `${path}.links`, owner });
      if (built === null || this.#isClosed || !this.#owners.has(dirName)) throw new Error("of no use");
      this.#copies.set(dirName, { path, source, built, owner });
    } catch {
      for (const left of [path, `${path}.links`]) trash.discard(left, layout.sandboxTrash);
    }
  }

  #forget(dirName: string): void {
    const copy = this.#copies.get(dirName);
    this.#owners.delete(dirName);
    this.#copies.delete(dirName);
    if (copy !== undefined) this.#discard(copy);
  }

  #discard({ path }: CopyAhead): void {
    this.#parts.trash.discard(path, this.#parts.layout.sandboxTrash);
  }
}

/** By sizes, as holes are read too. */
function isSmall({ cut, lost, root }: Manifest): boolean {
  let bytes = 0;
  for (const { entry } of nodesBelow(root)) bytes += entry.size;
  return !cut && lost.length === 0 && bytes <= MOST.bytes;
}

function openIn(folder: Dir | null, name: Buffer): (OpenFile & Disposable) | null {
  if (folder === null) return null;
  const file = openSeenFileAt(folder, name);
  return { ...file, [Symbol.dispose]: () => closeSync(file.fd) };
}

/** Where times are coarse, or a file is mapped, it may have changed and have its old time. */
async function hasSameBytes({ path, source }: CopyAhead, live: Dir): Promise<boolean> {
  using copy = openTrustedDir(path);
  using from = new PathCursor(live);
  using to = new PathCursor(copy);
  for (const { entry, leftOut } of nodesBelow(source.root, (folder) => folder.leftOut === null)) {
    if (leftOut !== null || entry.kind !== "file") continue;
    const [above, name] = splitLast(keyOf(entry.path));
    using a = openIn(from.go(above), name);
    using b = openIn(to.go(above), name);
    if (a === null || b === null || !(await sameBytes(a, b))) return false;
  }
  return true;
}

/** A change as close as this to the look may have left the times as they were. */
function isAtRest({ root, takenAtNs }: Manifest): boolean {
  for (const { entry } of nodesBelow(root)) if (entry.ctimeNs >= takenAtNs - TICK_NS) return false;
  return true;
}

/** Down to inodes and times, which no one can set back. */
const isSameTree = (a: Manifest, b: Manifest): boolean => a.mtimeNs === b.mtimeNs && isSameFolder(a.root, b.root);

function isSameFolder(a: Folder, b: Folder): boolean {
  if (a.children.size !== b.children.size) return false;
  for (const [name, node] of a.children) {
    const other = b.children.get(name);
    if (other === undefined || !isSameNode(node, other)) return false;
    if (isFolder(node) && !(isFolder(other) && isSameFolder(node, other))) return false;
  }
  return true;
}

function isSameNode({ entry: a, leftOut }: Node, { entry: b, leftOut: other }: Node): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.ctimeNs === b.ctimeNs && a.kind === b.kind && leftOut === other;
}
