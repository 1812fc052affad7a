// Builds a tree from a manifest in an empty folder that only we can reach: files copied from where the manifest was taken,
// or linked from a tree of ours that has the same ones. Modes and owners come out in their normal form.
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import type { FileOwner } from "../model/instance.js";
import { copyToNewFile, syncToDisk } from "../safefs/content.js";
import { DirCursor } from "../safefs/cursor.js";
import { type Dir, openFileAt } from "../safefs/dir.js";
import { statAt, type TreeEntry } from "../safefs/entry.js";
import { errnoOf, SafeFsError } from "../safefs/errors.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import { pacer } from "../safefs/pace.js";
import { removeTree } from "../safefs/remove.js";
import { type Folder, isFolder, keyOf, type Node } from "./manifest.js";
import { isRecordOf, normalMode, type RecordedTree, recordFile } from "./recorded-tree.js";

export interface BuildPlan {
  /** What is built; nodes that are left out are not, unless `carry` holds them. */
  root: Folder;
  /** Where the manifest was taken: files are copied from here. */
  source: Dir;
  /** The empty folder the tree is built in. */
  target: Dir;
  /** A path on the same mount where nothing is, for a folder of further names of files that have several. */
  links: string;
  owner: FileOwner | null;
  durable: boolean;
  /** A tree whose files are taken over by hard links, and which of them. */
  reuse?: { from: Dir; unchanged: ReadonlySet<Node> };
  /** The live workspace and what of it stays, whatever is built. */
  carry?: { from: Dir; entries: Carried };
  /** What was built is written to `tree`; a file that `known` has as it is need not be read for that. */
  record?: { known: RecordedTree; tree: RecordedTree } | undefined;
}

/** Entries of the live workspace that never went into the sandbox, by the folder they are in: they stay, as they are. */
export type Carried = ReadonlyMap<Folder, readonly Node[]>;

interface Frame {
  entry: TreeEntry | null;
  /** The path of the folder as a record has it, with a slash behind. */
  prefix: string;
  todo: Iterator<Node>;
}

export async function buildTree(plan: BuildPlan): Promise<void> {
  using building = new Building(plan);
  await building.all();
  await building.removeLinks();
}

class Building implements Disposable {
  readonly #plan: BuildPlan;
  readonly #source: FollowCursor;
  readonly #reused: FollowCursor | null;
  readonly #carried: FollowCursor | null;
  readonly #target: DirCursor;
  #prefix = "";
  /** Files with several names that were placed already, by inode: their further name in `links`. */
  readonly #placed = new Map<string, string>();

  constructor(plan: BuildPlan) {
    this.#plan = plan;
    this.#source = new FollowCursor(plan.source);
    this.#reused = plan.reuse ? new FollowCursor(plan.reuse.from) : null;
    this.#carried = plan.carry ? new FollowCursor(plan.carry.from) : null;
    this.#target = new DirCursor(plan.target);
  }

  async all(): Promise<void> {
    const pause = pacer();
    const frames: Frame[] = [{ entry: null, prefix: "", todo: this.#childrenOf(this.#plan.root) }];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      await pause();
      this.#prefix = frame.prefix;
      const { value: node, done } = frame.todo.next();
      if (done) {
        frames.pop();
        this.#finishDir(frame.entry);
        if (frames.length > 0) this.#up();
      } else if (isFolder(node)) {
        mkdirSync(this.#target.dir.child(node.entry.name), 0o700);
        this.#down(node.entry.name);
        const path = this.#pathOf(node.entry);
        if (node.leftOut === null) this.#plan.record?.tree.set(path, { kind: "dir" });
        frames.push({ entry: node.entry, prefix: `${path}/`, todo: this.#childrenOf(node) });
      } else if (node.leftOut !== null || (node.entry.kind !== "file" && node.entry.kind !== "link")) {
        this.#carry(node);
      } else if (node.entry.kind === "link") {
        this.#placeLink(node);
      } else {
        await this.#placeFile(node);
      }
    }
  }

  async removeLinks(): Promise<void> {
    if (this.#placed.size > 0) await removeTree(this.#plan.links);
  }

  *#childrenOf(folder: Folder): Generator<Node> {
    const carriedFolder = folder.node?.leftOut != null;
    for (const node of folder.children.values()) if (carriedFolder || node.leftOut === null) yield node;
    for (const node of this.#plan.carry?.entries.get(folder) ?? []) yield node;
  }

  #pathOf({ name }: TreeEntry): string {
    return `${this.#prefix}${keyOf(name)}`;
  }

  #down(name: Buffer): void {
    this.#target.enter(name);
    this.#source.down(name);
    this.#reused?.down(name);
    this.#carried?.down(name);
  }

  #up(): void {
    this.#target.leave();
    this.#source.up();
    this.#reused?.up();
    this.#carried?.up();
  }

  #finishDir(entry: TreeEntry | null): void {
    const { fd } = this.#target.dir;
    const { owner, durable } = this.#plan;
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, 0o755);
    if (entry) futimesSync(fd, fileTime(entry.mtimeNs), fileTime(entry.mtimeNs));
    if (durable) syncToDisk(fd);
  }

  #placeLink({ entry, target }: Node): void {
    const path = this.#target.dir.child(entry.name);
    symlinkSync(target ?? Buffer.alloc(0), path);
    if (this.#plan.owner) lchownSync(path, this.#plan.owner.uid, this.#plan.owner.gid);
    lutimesSync(path, fileTime(entry.mtimeNs), fileTime(entry.mtimeNs));
    const record = { kind: "link", target: keyOf(target ?? Buffer.alloc(0)) } as const;
    this.#plan.record?.tree.set(this.#pathOf(entry), record);
  }

  /** An operator's own entry that no run ever sees: one more name for it in the new tree. */
  #carry({ entry }: Node): void {
    const live = this.#carried?.dir;
    if (live) linkSync(live.child(entry.name), this.#target.dir.child(entry.name));
  }

  async #placeFile(node: Node): Promise<void> {
    const { entry } = node;
    const linked = this.#plan.reuse?.unchanged.has(node) ? this.#linkReused(entry) : null;
    if (linked === null) await this.#placeNewFile(entry);
    await this.#record(entry, linked);
  }

  async #placeNewFile(entry: TreeEntry): Promise<void> {
    const path = this.#target.dir.child(entry.name);
    const shared = entry.nlink > 1 ? `${entry.dev}:${entry.ino}` : null;
    const earlier = shared === null ? undefined : this.#placed.get(shared);
    if (earlier !== undefined && tryLink(earlier, path)) return;
    await this.#copy(entry, path);
    if (shared === null || earlier !== undefined) return;
    if (this.#placed.size === 0) mkdirSync(this.#plan.links, { mode: 0o700 });
    const further = join(this.#plan.links, String(this.#placed.size));
    linkSync(path, further);
    this.#placed.set(shared, further);
  }

  /** Writes down what was placed for `wanted`; `linked` is how a linked file looked. */
  async #record(wanted: TreeEntry, linked: TreeEntry | null): Promise<void> {
    const { record } = this.#plan;
    if (!record) return;
    const { name } = wanted;
    const path = this.#pathOf(wanted);
    const mode = normalMode(wanted.mode);
    const known = record.known.get(path);
    if (known !== undefined && linked !== null && isRecordOf(known, linked, mode)) record.tree.set(path, known);
    else record.tree.set(path, await recordFile(this.#target.dir, name, mode));
  }

  async #copy(entry: TreeEntry, path: Buffer): Promise<void> {
    const source = this.#source.dir;
    if (source === null) throw new SafeFsError("moved", "a folder went away while it was copied");
    const from = openFileAt(source, entry.name);
    try {
      const stats = fstatSync(from, { bigint: true });
      if (stats.ino !== entry.ino) {
        throw new SafeFsError("moved", "a file was replaced while it was copied");
      }
      const copy = await copyToNewFile(from, stats, path);
      try {
        this.#normalise(copy, entry);
        futimesSync(copy, fileTime(entry.mtimeNs), fileTime(entry.mtimeNs));
        if (this.#plan.durable) syncToDisk(copy);
      } finally {
        closeSync(copy);
      }
    } finally {
      closeSync(from);
    }
  }

  #normalise(fd: number, entry: TreeEntry): void {
    const { owner } = this.#plan;
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, normalMode(entry.mode));
  }

  /** One more name for the file that is reused, as it is then; null where there is no such file, or it cannot have one. */
  #linkReused(wanted: TreeEntry): TreeEntry | null {
    const reused = this.#reused?.dir;
    if (!reused) return null;
    const path = this.#target.dir.child(wanted.name);
    if (!tryLink(reused.child(wanted.name), path)) return null;
    const entry = statAt(this.#target.dir, wanted.name);
    if (entry?.kind === "file" && this.#settle(entry, wanted)) return entry;
    unlinkSync(path);
    return null;
  }

  /** Gives a linked file its normal owner and mode, and writes it through where that is asked for. */
  #settle(entry: TreeEntry, wanted: TreeEntry): boolean {
    const { owner, durable } = this.#plan;
    const mode = normalMode(wanted.mode);
    const normal = entry.mode === mode && (!owner || (entry.uid === owner.uid && entry.gid === owner.gid));
    if (normal && !durable) return true;
    try {
      const fd = openFileAt(this.#target.dir, wanted.name);
      try {
        if (!normal) this.#normalise(fd, wanted);
        if (durable) syncToDisk(fd);
        return true;
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (errnoOf(error) === "EPERM" || error instanceof SafeFsError) return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#source[Symbol.dispose]();
    this.#reused?.[Symbol.dispose]();
    this.#carried?.[Symbol.dispose]();
    this.#target[Symbol.dispose]();
  }
}

/** Reasons for which a file cannot get one more name, although a copy of it can be made. */
const NO_LINK = new Set(["ENOENT", "ENOTDIR", "EPERM", "EMLINK", "EXDEV", "EACCES", "ENOTSUP", "EOPNOTSUPP"]);

function tryLink(existing: string | Buffer, path: Buffer): boolean {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if (NO_LINK.has(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Dates reach as far as this on either side of 1970; a file system that holds later times has them cut to it. */
const MAX_TIME_S = 8.64e12;

/** A time as Node's calls take it. As a number it would make what is before 1970 the present. */
function fileTime(ns: bigint): number | Date {
  const seconds = Math.max(-MAX_TIME_S, Math.min(MAX_TIME_S, Number(ns) / 1e9));
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
