// The copy of a workspace that its last run had: what a run left alone in it is what the workspace has, so the next run can have it again.
// The kernel told what was touched, in folders nobody else can make a way into; where it cannot tell, the copy is made anew.
import { fchownSync, lchownSync, lstatSync, mkdirSync } from "node:fs";
import type { FileOwner } from "../model/instance.js";
import { type Dir, openDirAt, openTrustedDir } from "../safefs/dir.js";
import { statAt } from "../safefs/entry.js";
import { pacer } from "../safefs/pace.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { removeAt } from "../safefs/remove.js";
import { buildTree } from "./build-tree.js";
import { RESERVED_DIR } from "./layout.js";
import {
  clockNs,
  type Folder,
  isFolder,
  keyOf,
  lookUp,
  type Manifest,
  type Node,
  nodesBelow,
  scan,
} from "./manifest.js";
import { placeCopy } from "./place-file.js";
import { changesOf, type Touched, type TreeWatch } from "./tree-watch.js";

export interface KeptCopy {
  readonly dirName: string;
  /** Inode of its out/. */
  readonly ino: bigint;
  owner: FileOwner;
  /** What it held when it was delivered last. */
  manifest: Manifest;
  /** Which state of the live tree it is a copy of, but for `repair`; null while that is not known. */
  generation: number | null;
  /** Paths at which it is not. */
  repair: ReadonlySet<string>;
}

/** Smaller trees are copied sooner than they are watched. */
export const MIN_COPY_ENTRIES = 100;
/** Entries of all manifests held, about 700 bytes each; and how much of a tree may differ before it is made anew. */
const MAX_ENTRIES_HELD = 400_000;
const MAX_REPAIRS = 1_000;

export class KeptCopies {
  readonly #watch: TreeWatch;
  readonly #copies = new Map<string, KeptCopy>();

  constructor(watch: TreeWatch) {
    this.#watch = watch;
  }

  /** Takes the copy of a workspace out of here where it can be had again: in the folder `out`, of that state. */
  async take(dirName: string, { out, generation }: { out: string; generation: number }): Promise<KeptCopy | null> {
    const copy = this.#copies.get(dirName);
    this.#copies.delete(dirName);
    if (copy === undefined) return null;
    const found = lstatSync(out, { bigint: true, throwIfNoEntry: false });
    if (
      copy.generation === generation &&
      found?.isDirectory() &&
      found.ino === copy.ino &&
      (await this.#isUntouched(dirName))
    )
      return copy;
    await this.forget(dirName);
    return null;
  }

  /** Since its run: the logs are put there by us. */
  async #isUntouched(dirName: string): Promise<boolean> {
    const touched = await this.#watch.take(keyOfCopy(dirName));
    return touched !== null && changesOf(touched).every((path) => path.split("/")[0] === RESERVED_DIR);
  }

  /** Makes a copy that was taken what the live tree is, and `owner`'s; false where that is not worth it or cannot be done. */
  async repair(copy: KeptCopy, outPath: string, live: Dir, owner: FileOwner): Promise<boolean> {
    using out = openTrustedDir(outPath);
    if (copy.repair.size > MAX_REPAIRS) return false;
    using from = new PathCursor(live);
    using to = new PathCursor(out);
    let isOther = false;
    await removeAt(out, Buffer.from(RESERVED_DIR));
    for (const path of [...copy.repair].sort()) {
      const [above, name] = splitLast(path);
      const folder = folderAt(copy.manifest, above);
      const [source, target] = [from.go(above), to.go(above)];
      if (target === null || folder === null) return false;
      const wanted = source && statAt(source, name);
      await removeAt(target, name);
      if (wanted?.kind === "dir" && source !== null) {
        if (!(await copyFolder(source, target, name, copy.owner))) return false;
        isOther = true;
        continue;
      }
      if (wanted !== null && wanted.kind !== "file") return false;
      if (wanted !== null) await placeCopy(source, wanted, target.child(name), { owner: copy.owner, durable: false });
      replaceNode(copy.manifest, path, statAt(target, name, folder.node?.entry ?? null));
    }
    if (owner.uid !== copy.owner.uid || owner.gid !== copy.owner.gid) {
      await giveTo(owner, out, isOther ? await scan(out) : copy.manifest);
      copy.owner = owner;
      isOther = true;
    }
    if (isOther) {
      if (!(await this.beforeLook(copy.dirName, outPath))) return false;
      copy.manifest = await scan(out);
    }
    return true;
  }

  /** Watches a copy that is about to be looked at as a whole. */
  async beforeLook(dirName: string, out: string): Promise<boolean> {
    return await this.#watch.watch(keyOfCopy(dirName), out, { opens: true });
  }

  /** A copy goes to its run: what happened to it until now was ours, and every change from now on is the run's. */
  async delivering(copy: KeptCopy): Promise<void> {
    await this.#watch.take(keyOfCopy(copy.dirName));
    copy.manifest = { ...copy.manifest, takenAtNs: clockNs() };
  }

  /** Watches the folders beside out/ that a program can reach, until `touchedIn`. */
  async delivered({ dirName, dir }: { dirName: string; dir: string }): Promise<void> {
    await this.#watch.watch(keyOfRun(dirName), dir, { only: ["", "work"] });
  }

  /** What happened to a copy since it was delivered, all of it; null where there may be more. It may be kept where none of its folders was altered. */
  async touchedIn(
    dirName: string,
    dir: string,
  ): Promise<{ touched: Touched | null; mayKeep: boolean; changed: readonly string[] }> {
    const beside = await this.#watch.take(keyOfRun(dirName));
    await this.#watch.forget(keyOfRun(dirName));
    const touched = await this.#watch.take(keyOfCopy(dirName));
    // A folder may have been given attributes that are not seen from here, and that the next run must not find.
    const mayKeep = touched !== null && touched.altered.length === 0;
    const changed = touched?.changed ?? [];
    if (beside === null || !mayKeep) return { touched: null, mayKeep, changed };
    // One more name for a file of the copy would be a way to change it past the watch on its own folder. Such a name was made in a new
    // folder, or is there now, or was removed.
    const isSeen =
      [touched, beside].every(({ made, removed }) => made.length + removed.length === 0) &&
      beside.altered.length === 0 &&
      beside.changed.every((path) => hasOneName(dir, path));
    return { touched: isSeen ? touched : null, mayKeep, changed };
  }

  /** Keeps a copy for the next run. */
  async keep(copy: KeptCopy): Promise<void> {
    this.#copies.delete(copy.dirName);
    this.#copies.set(copy.dirName, copy);
    let entries = [...this.#copies.values()].reduce((sum, { manifest }) => sum + manifest.size.entries, 0);
    for (const [dirName, { manifest }] of this.#copies) {
      if (entries <= MAX_ENTRIES_HELD) return;
      entries -= manifest.size.entries;
      await this.forget(dirName);
    }
  }

  /** The run of the copy was committed, from one state of the live tree to the next. */
  committed(dirName: string, from: number | null, to: number | null): void {
    const copy = this.#copies.get(dirName);
    if (copy !== undefined) copy.generation = copy.generation === from ? to : null;
  }

  async forget(dirName: string): Promise<void> {
    this.#copies.delete(dirName);
    await this.#watch.forget(keyOfCopy(dirName));
  }
}

/** Far quicker than a copy, and far slower than an owner that stays the same. */
async function giveTo({ uid, gid }: FileOwner, out: Dir, { root }: Manifest): Promise<void> {
  const pause = pacer();
  using cursor = new PathCursor(out);
  for (const { entry } of nodesBelow(root)) {
    await pause();
    const [above, name] = splitLast(keyOf(entry.path));
    const folder = cursor.go(above);
    if (folder !== null) lchownSync(folder.child(name), uid, gid);
  }
  fchownSync(out.fd, uid, gid);
}

/** A folder of the live tree, with all that is in it; false where that cannot be told entry by entry. */
async function copyFolder(source: Dir, target: Dir, name: Buffer, owner: FileOwner): Promise<boolean> {
  using from = openDirAt(source, name);
  const { root, lost } = await scan(from);
  const nodes = [...nodesBelow(root)];
  const isPlainTree = nodes.every(({ entry }) => entry.kind === "dir" || entry.kind === "file");
  if (!isPlainTree || lost.length > 0 || new Set(nodes.map(({ entry }) => entry.ino)).size < nodes.length) return false;
  mkdirSync(target.child(name), 0o700);
  using to = openDirAt(target, name);
  const whose = process.geteuid?.() === 0 ? owner : null;
  await buildTree({ root, source: from, target: to, links: "", owner: whose });
  return true;
}

/** True where what is in the tree can be told entry by entry: no links, no files with several names or with holes. */
export function isPlain({ root, size, lost }: Manifest): boolean {
  if (size.entries < MIN_COPY_ENTRIES || lost.length > 0) return false;
  for (const { entry, leftOut } of nodesBelow(root)) if (leftOut !== null || !isPlainEntry(entry)) return false;
  return true;
}

export function isPlainEntry({ kind, nlink, size, blocks }: Node["entry"]): boolean {
  return kind === "dir" || (kind === "file" && nlink === 1 && blocks * 512 >= size);
}

/** The paths of a copy that are other than at its delivery, the topmost of folders; null where too much is. */
export function differing(before: Manifest, after: Manifest): Set<string> | null {
  const found = new Set<string>();
  for (const [a, b] of [
    [after, before],
    [before, after],
  ] as const) {
    const walk = nodesBelow(a.root, (node) => lookUp(b.root, node.entry.path)?.children != null);
    for (const node of walk) {
      const other = lookUp(b.root, node.entry.path);
      if (other !== null && isFolder(node) && isFolder(other)) continue;
      if (other === null || !isSameEntry(node, other)) found.add(keyOf(node.entry.path));
      if (found.size > MAX_REPAIRS) return null;
    }
  }
  return found;
}

function isSameEntry({ entry: a }: Node, { entry: b }: Node): boolean {
  return a.ino === b.ino && a.ctimeNs === b.ctimeNs && a.size === b.size && a.kind === b.kind;
}

/** `entry`, a file or nothing, becomes what the manifest has at a path. */
function replaceNode(manifest: Manifest, path: string, entry: Node["entry"] | null): void {
  const [above, name] = splitLast(path);
  const parent = folderAt(manifest, above);
  if (parent === null) return;
  const old = parent.children.get(keyOf(name));
  for (const gone of old === undefined ? [] : [old, ...(isFolder(old) ? nodesBelow(old) : [])]) {
    manifest.size.entries -= 1;
    manifest.size.bytes -= gone.entry.blocks * 512;
  }
  parent.children.delete(keyOf(name));
  if (entry === null) return;
  parent.children.set(keyOf(name), { entry, parent, children: null, target: null, leftOut: null });
  manifest.size.entries += 1;
  manifest.size.bytes += entry.blocks * 512;
}

export function folderAt({ root }: Manifest, path: string): Folder | null {
  if (path === "") return root;
  const node = lookUp(root, bytesOf(path));
  return node !== null && isFolder(node) ? node : null;
}

export const bytesOf = (path: string): Buffer => Buffer.from(path, "latin1");
const keyOfCopy = (dirName: string): string => `copy of ${dirName}`;
const keyOfRun = (dirName: string): string => `run of ${dirName}`;

function hasOneName(dir: string, path: string): boolean {
  using root = openTrustedDir(dir);
  using cursor = new PathCursor(root);
  const [above, name] = splitLast(path);
  const folder = cursor.go(above);
  return (folder && statAt(folder, name))?.nlink === 1;
}
