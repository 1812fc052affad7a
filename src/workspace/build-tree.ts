// Copies a tree by its manifest into an empty folder that only we can reach. Modes and owners come out in their normal form.
import { fstatSync, linkSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { FileOwner } from "../model/instance.js";
import { DirCursor } from "../safefs/cursor.js";
import type { Dir } from "../safefs/dir.js";
import type { TreeEntry } from "../safefs/entry.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import { pacer } from "../safefs/pace.js";
import { removeTree } from "../safefs/remove.js";
import { type Folder, isFolder, type Manifest, ManifestInMaking, type Node, nodesBelow } from "./manifest.js";
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

/** What was built; null where files have several names: each further one changes what was seen of the file. */
export async function buildTree(plan: BuildPlan): Promise<Manifest | null> {
  using building = new Building(plan);
  await building.all();
  return await building.finish();
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
  readonly #made = new ManifestInMaking();

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
        const { dir } = this.#target;
        settleDir(dir, frame.entry?.mtimeNs ?? null, this.#manner);
        if (frames.length === 0) continue;
        this.#made.leave(fstatSync(dir.fd, { bigint: true }));
        this.#up();
      } else if (node.leftOut !== null) {
      } else if (isFolder(node)) {
        mkdirSync(this.#target.dir.child(node.entry.name), 0o700);
        this.#down(node.entry);
        frames.push({ entry: node.entry, todo: node.children.values() });
      } else if (node.target !== null) {
        const path = this.#target.dir.child(node.entry.name);
        placeSymlink(path, node.target, node.entry.mtimeNs, this.#manner);
        this.#made.add(node.entry.name, lstatSync(path, { bigint: true }), node.target);
      } else {
        await this.#placeFile(node.entry);
      }
    }
  }

  async finish(): Promise<Manifest | null> {
    if (this.#placed.size > 0) await removeTree(this.#plan.links);
    if (this.#shared.size > 0) return null;
    return this.#made.whole(fstatSync(this.#plan.target.fd, { bigint: true }));
  }

  #down(entry: TreeEntry): void {
    this.#target.enter(entry.name);
    this.#source.down(entry.name);
    this.#made.enter(entry);
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
    await placeCopy(this.#source.dir, entry, path, this.#manner, ({ stats }) =>
      this.#made.add(entry.name, stats, null),
    );
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
