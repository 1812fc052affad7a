// What a tree held at one moment: a node for each entry, in byte order of names. Nodes know their parents, so that a tree of
// very long paths costs what its names cost.
import type { FilePath } from "../model/files.js";
import type { Dir } from "../safefs/dir.js";
import { displayPath } from "../safefs/display-path.js";
import { type Entry, readLinkAt, TreeEntry } from "../safefs/entry.js";
import type { SafeFsError } from "../safefs/errors.js";
import { pacer } from "../safefs/pace.js";
import { traverse } from "../safefs/walk.js";

export interface Node {
  readonly entry: TreeEntry;
  readonly parent: Folder;
  /** Children of a directory by name, its bytes as latin1; null for everything else. */
  readonly children: Map<string, Node> | null;
  /** Where a link points. */
  readonly target: Buffer | null;
  /** Why this entry is not handed on, or null. */
  leftOut: string | null;
}

/** A directory, or the root of a tree, which has no entry of its own. */
export interface Folder {
  readonly children: Map<string, Node>;
  readonly node: Node | null;
  readonly parent: Folder | null;
}

/** Of an open entry. */
type Stats = Dir["stats"];

export interface Manifest {
  readonly root: Folder;
  /** Of the root itself, which has no entry. */
  readonly mtimeNs: bigint;
  /** Allocated bytes and entries, each inode's bytes once. */
  readonly size: { bytes: number; entries: number };
  /** True where the tree has more entries than were asked for; then the manifest is cut. */
  readonly cut: boolean;
  /** Directories that could not be read, with the reason. */
  readonly lost: Node[];
  /** Time after which a change may have left no trace in a ctime: the clock at the end, in nanoseconds. */
  readonly takenAtNs: bigint;
}

class FolderNode implements Folder, Node {
  readonly children = new Map<string, Node>();
  readonly target = null;
  entry: TreeEntry;
  readonly parent: Folder;
  leftOut: string | null = null;

  constructor(entry: TreeEntry, parent: Folder) {
    this.entry = entry;
    this.parent = parent;
  }

  get node(): Node {
    return this;
  }
}

export const keyOf = (name: Buffer): string => name.toString("latin1");

export async function scan(dir: Dir, maxEntries = Number.POSITIVE_INFINITY): Promise<Manifest> {
  const root: Folder = { children: new Map(), node: null, parent: null };
  const { mtimeNs } = dir.stats;
  const size = { bytes: 0, entries: 0 };
  const linked = new Set<string>();
  const lost: Node[] = [];
  const pause = pacer();
  let folder = root;
  let cut = false;
  for (const step of traverse(dir, maxEntries + 1)) {
    await pause();
    const { entry } = step;
    // Below the root the walk is at `folder` or in a parent of it: a directory without a `leave` was lost on the way.
    while (folder.node !== null && folder.node.entry !== entry.parent) folder = folder.parent ?? root;
    if (step.type === "lost") {
      const node = folder.children.get(keyOf(entry.name));
      if (node) lost.push(blame(node, step.error));
    }
    if (step.type !== "entry") continue;
    if (size.entries >= maxEntries) {
      cut = true;
      break;
    }
    const node = makeNode(entry, folder, step.dir);
    if (node === null) continue;
    folder.children.set(keyOf(entry.name), node);
    size.entries += 1;
    if (entry.nlink === 1 || entry.kind === "dir" || isNew(linked, `${entry.dev}:${entry.ino}`))
      size.bytes += entry.blocks * 512;
    if (node instanceof FolderNode) folder = node;
  }
  return { root, mtimeNs, size, cut, lost, takenAtNs: clockNs() };
}

/** The manifest of a tree that is being made: each entry is told of when nothing more is done to it, a folder when it was left. */
export class ManifestInMaking {
  readonly #root: Folder = { children: new Map(), node: null, parent: null };
  readonly #size = { bytes: 0, entries: 0 };
  #folder: Folder = this.#root;

  /** `like` has the same path in another tree: entries below are known by it until the folder is left. */
  enter(like: TreeEntry): void {
    const folder = new FolderNode(like, this.#folder);
    this.#folder.children.set(keyOf(like.name), folder);
    this.#folder = folder;
  }

  leave(stats: Stats): void {
    const folder = this.#folder;
    if (!(folder instanceof FolderNode)) return;
    folder.entry = new TreeEntry(folder.entry.parent, folder.entry.name, stats);
    this.#count(folder.entry);
    this.#folder = folder.parent;
  }

  /** A file of one name, or a link. */
  add(name: Buffer, stats: Stats, target: Buffer | null): void {
    const parent = this.#folder;
    const entry = new TreeEntry(parent.node?.entry ?? null, name, stats);
    parent.children.set(keyOf(name), { entry, parent, children: null, target, leftOut: null });
    this.#count(entry);
  }

  whole({ mtimeNs }: Stats): Manifest {
    return { root: this.#root, mtimeNs, size: this.#size, cut: false, lost: [], takenAtNs: clockNs() };
  }

  #count({ blocks }: TreeEntry): void {
    this.#size.entries += 1;
    this.#size.bytes += blocks * 512;
  }
}

/** The kernel's clock ticks: a change this close to the moment of a look may have left the ctime as it was. */
export const TICK_NS = 10_000_000n;

/** The clock that times of files are told by. */
export const clockNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

/** Null for a link that somebody took away after it was seen. */
function makeNode(entry: TreeEntry, parent: Folder, dir: Dir): Node | null {
  if (entry.kind === "dir") return new FolderNode(entry, parent);
  const target = entry.kind === "link" ? readLinkAt(dir, entry.name) : null;
  if (entry.kind === "link" && target === null) return null;
  return { entry, parent, children: null, target, leftOut: null };
}

function blame(node: Node, error: SafeFsError): Node {
  node.leftOut = `folder that cannot be read: ${error.code ?? error.reason}`;
  return node;
}

function isNew(seen: Set<string>, key: string): boolean {
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

export function isFolder(node: Node): node is Node & Folder {
  return node.children !== null;
}

/** The folder of that name in `parent`, made where there is nothing; null where it is no folder that is handed on. */
export function folderIn(parent: Folder, entry: TreeEntry): Folder | null {
  const key = keyOf(entry.name);
  const found = parent.children.get(key);
  if (found !== undefined && found.leftOut === null) return isFolder(found) ? found : null;
  const made = new FolderNode(entry, parent);
  parent.children.set(key, made);
  return made;
}

/** The node at a path of bytes or text; null where there is none. */
export function lookUp(root: Folder, path: string | Buffer): Node | null {
  const text = (typeof path === "string" ? Buffer.from(path) : path).toString("latin1");
  let folder: Folder | null = root;
  let node: Node | undefined;
  for (const name of text.split("/")) {
    node = folder?.children.get(name);
    if (node === undefined) return null;
    folder = isFolder(node) ? node : null;
  }
  return node ?? null;
}

/** Every node below a folder, parents first; `enter` decides about going into a directory. */
export function* nodesBelow(folder: Folder, enter: (node: Node) => boolean = () => true): Generator<Node> {
  const stack = [folder.children.values()];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { value: node, done } = top.next();
    if (done) {
      stack.pop();
      continue;
    }
    yield node;
    if (isFolder(node) && enter(node)) stack.push(node.children.values());
  }
}

/** Bytes of a path beyond which its middle is left out where it is shown. */
const MAX_SHOWN_BYTES = 8192;

/** The path of an entry as documents show it. */
export function shownPath({ path }: Pick<Entry, "path">): FilePath {
  if (path.length <= MAX_SHOWN_BYTES) return displayPath(path);
  const half = MAX_SHOWN_BYTES / 2;
  const text = (part: Buffer) => displayPath(part).path;
  return { path: `${text(path.subarray(0, half))}…[${path.length} bytes]…${text(path.subarray(-half))}` };
}
