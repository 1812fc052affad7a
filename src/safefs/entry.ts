// One entry of a tree as lstat tells it. The path is built on demand, so that a tree of long paths costs what its names cost.
import { type BigIntStats, lstatSync, readlinkSync } from "node:fs";
import type { Dir } from "./dir.js";
import { errnoOf, SafeFsError } from "./errors.js";

const SLASH = Buffer.from("/");

export type EntryKind = "file" | "dir" | "link" | "fifo" | "socket" | "device";

export interface Entry {
  readonly path: Buffer;
  readonly name: Buffer;
  readonly kind: EntryKind;
  readonly size: number;
  /** Blocks of 512 bytes that are really allocated. */
  readonly blocks: number;
  /** Permission and special bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly nlink: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** An entry with a link to the directory it was found in; null for the top level. */
export class TreeEntry implements Entry {
  readonly parent: TreeEntry | null;
  readonly name: Buffer;
  readonly kind: EntryKind;
  readonly size: number;
  readonly blocks: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly nlink: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;

  constructor(parent: TreeEntry | null, name: Buffer, stats: BigIntStats) {
    this.parent = parent;
    this.name = name;
    this.kind = kindOf(stats);
    this.size = Number(stats.size);
    this.blocks = Number(stats.blocks);
    this.mode = Number(stats.mode & 0o7777n);
    this.uid = Number(stats.uid);
    this.gid = Number(stats.gid);
    this.ino = stats.ino;
    this.dev = stats.dev;
    this.nlink = Number(stats.nlink);
    this.mtimeNs = stats.mtimeNs;
    this.ctimeNs = stats.ctimeNs;
  }

  get path(): Buffer {
    const parts: Buffer[] = [];
    for (let entry: TreeEntry | null = this; entry !== null; entry = entry.parent) parts.push(entry.name, SLASH);
    parts.pop();
    return parts.length === 1 ? this.name : Buffer.concat(parts.reverse());
  }
}

function kindOf(stats: BigIntStats): EntryKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "dir";
  if (stats.isSymbolicLink()) return "link";
  if (stats.isFIFO()) return "fifo";
  if (stats.isSocket()) return "socket";
  return "device";
}

/** Looks at one entry while its owner takes the directory's permissions away again and again. */
const LOOKS = 10;

/** The entry `name` of an opened directory, itself and not what it may point to; null where there is none. */
export function statAt(dir: Dir, name: Buffer, parent: TreeEntry | null = null): TreeEntry | null {
  for (let look = 1; ; look += 1) {
    try {
      const stats = lstatSync(dir.child(name), { bigint: true, throwIfNoEntry: false });
      return stats === undefined ? null : new TreeEntry(parent, name, stats);
    } catch (error) {
      if (errnoOf(error) === "ENAMETOOLONG") return null;
      if (errnoOf(error) !== "EACCES" || look === LOOKS || !dir.unlock())
        throw new SafeFsError("io", `cannot look at an entry: ${errnoOf(error)}`, error);
    }
  }
}

/** Where the link `name` of an opened directory points; null where no link is there. */
export function readLinkAt(dir: Dir, name: Buffer): Buffer | null {
  try {
    return readlinkSync(dir.child(name), { encoding: "buffer" });
  } catch (error) {
    if (["ENOENT", "EINVAL"].includes(errnoOf(error) ?? "")) return null;
    throw new SafeFsError("io", `cannot read a link: ${errnoOf(error)}`, error);
  }
}
