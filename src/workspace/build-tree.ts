// Copies a tree by its manifest into an empty folder that only we can reach. Modes and owners come out in their normal form.
import { linkSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { FileOwner } from "../model/instance.js";
import { DirCursor } from "../safefs/cursor.js";
import type { Dir } from "../safefs/dir.js";
import type { TreeEntry } from "../safefs/entry.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import { pacer } from "../safefs/pace.js";
import { removeTree } from "../safefs/remove.js";
import { type Folder, isFolder, type Node, nodesBelow } from "./manifest.js";
import { type Manner, placeCopy, placeSymlink, settleDir, tryLink } from "./place-file.js";

export interface BuildPlan {
  /** What is built; nodes that are left out are not. */
  root: Folder;
  /** Where the manifest was taken: files are copied from here. */
  source: Dir;
  /** The empty folder the tree is built in. */
  target: Dir;
  /** A path on the same mount where nothing is, for a folder of further names of files that have several. */
  links: string;
  owner: FileOwner | null;
}

interface Frame {
  entry: TreeEntry | null;
  todo: Iterator<Node>;
}

export async function buildTree(plan: BuildPlan): Promise<void> {
  using building = new Building(plan);
  await building.all();
  await building.removeLinks();
}

class Building implements Disposable {
  readonly #plan: BuildPlan;
  readonly #manner: Manner;
  readonly #source: FollowCursor;
  readonly #target: DirCursor;
  /** Inodes that have several names in this tree. */
  readonly #shared: ReadonlySet<string>;
  /** Those that were placed already: their further name in `links`. */
  readonly #placed = new Map<string, string>();

  constructor(plan: BuildPlan) {
    this.#plan = plan;
    this.#manner = { owner: plan.owner, durable: false };
    this.#shared = sharedIn(plan.root);
    this.#source = new FollowCursor(plan.source);
    this.#target = new DirCursor(plan.target);
  }

  async all(): Promise<void> {
    const pause = pacer();
    const frames: Frame[] = [{ entry: null, todo: this.#plan.root.children.values() }];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      await pause();
      const { value: node, done } = frame.todo.next();
      if (done) {
        frames.pop();
        settleDir(this.#target.dir, frame.entry?.mtimeNs ?? null, this.#manner);
        if (frames.length > 0) this.#up();
      } else if (node.leftOut !== null) {
      } else if (isFolder(node)) {
        mkdirSync(this.#target.dir.child(node.entry.name), 0o700);
        this.#down(node.entry.name);
        frames.push({ entry: node.entry, todo: node.children.values() });
      } else if (node.target !== null) {
        placeSymlink(this.#target.dir.child(node.entry.name), node.target, node.entry.mtimeNs, this.#manner);
      } else {
        await this.#placeFile(node.entry);
      }
    }
  }

  async removeLinks(): Promise<void> {
    if (this.#placed.size > 0) await removeTree(this.#plan.links);
  }

  #down(name: Buffer): void {
    this.#target.enter(name);
    this.#source.down(name);
  }

  #up(): void {
    this.#target.leave();
    this.#source.up();
  }

  async #placeFile(entry: TreeEntry): Promise<void> {
    const path = this.#target.dir.child(entry.name);
    const inode = inodeOf(entry);
    const shared = this.#shared.has(inode) ? inode : null;
    const earlier = shared === null ? undefined : this.#placed.get(shared);
    if (earlier !== undefined && tryLink(earlier, path)) return;
    await placeCopy(this.#source.dir, entry, path, this.#manner);
    if (shared === null || earlier !== undefined) return;
    if (this.#placed.size === 0) mkdirSync(this.#plan.links, { mode: 0o700 });
    const further = join(this.#plan.links, String(this.#placed.size));
    linkSync(path, further);
    this.#placed.set(shared, further);
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
    this.#target[Symbol.dispose]();
  }
}

const inodeOf = ({ dev, ino }: TreeEntry): string => `${dev}:${ino}`;

/** A file's other names may lie outside this tree: those do not count. */
function sharedIn(root: Folder): Set<string> {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const { entry } of nodesBelow(root)) {
    if (entry.kind !== "file" || entry.nlink === 1) continue;
    const inode = inodeOf(entry);
    if (seen.has(inode)) shared.add(inode);
    seen.add(inode);
  }
  return shared;
}
