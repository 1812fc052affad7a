// One file placed in a tree of ours: as a further name of one that is there already, or as a copy. Owner and mode come out in their
// normal form.
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  symlinkSync,
} from "node:fs";
import type { FileOwner } from "../model/instance.js";
import { copyToNewFile, syncToDisk } from "../safefs/content.js";
import { type Dir, type OpenFile, openSeenFileAt } from "../safefs/dir.js";
import type { TreeEntry } from "../safefs/entry.js";
import { errnoOf, SafeFsError } from "../safefs/errors.js";
import { normalMode } from "./recorded-tree.js";

export interface Manner {
  /** Whose the files become; null where they are the caller's anyway. */
  readonly owner: FileOwner | null;
  /** Written through to the disk. */
  readonly durable: boolean;
}

const DIR_MODE = 0o755n;

/** Reasons for which a file cannot get one more name, although a copy of it can be made. */
const NO_LINK = new Set(["ENOENT", "ENOTDIR", "EPERM", "EMLINK", "EXDEV", "EACCES", "ENOTSUP", "EOPNOTSUPP"]);

export function tryLink(existing: string | Buffer, path: Buffer): boolean {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if (NO_LINK.has(errnoOf(error) ?? "")) return false;
    throw error;
  }
}

/** Copies the file that was seen as `entry` in `source` to the new name `path`; `look` looks at the finished copy. */
export async function placeCopy<T = void>(
  source: Dir | null,
  entry: TreeEntry,
  path: Buffer,
  manner: Manner,
  look?: (copy: OpenFile) => T | Promise<T>,
): Promise<T | undefined> {
  if (source === null) throw new SafeFsError("moved", "a folder went away while it was copied");
  const from = openSeenFileAt(source, entry.name);
  try {
    if (from.stats.ino !== entry.ino) throw new SafeFsError("moved", "a file was replaced while it was copied");
    const copy = await copyToNewFile(from.fd, from.stats, path);
    try {
      normalise(copy, entry.mode, manner.owner);
      futimesSync(copy, fileTime(entry.mtimeNs), fileTime(entry.mtimeNs));
      if (manner.durable) syncToDisk(copy);
      return await look?.({ fd: copy, stats: fstatSync(copy, { bigint: true }) });
    } finally {
      closeSync(copy);
    }
  } finally {
    closeSync(from.fd);
  }
}

export function placeSymlink(path: Buffer, target: Buffer, mtimeNs: bigint | null, { owner }: Manner): void {
  symlinkSync(target, path);
  if (owner) lchownSync(path, owner.uid, owner.gid);
  if (mtimeNs !== null) lutimesSync(path, fileTime(mtimeNs), fileTime(mtimeNs));
}

/** Gives the file `name`, seen as `entry`, its normal owner and mode; false where it cannot have them. */
export function settleFile(dir: Dir, name: Buffer, entry: TreeEntry, { owner, durable }: Manner): boolean {
  const normal =
    entry.mode === normalMode(entry.mode) && (!owner || (entry.uid === owner.uid && entry.gid === owner.gid));
  if (normal && !durable) return true;
  try {
    const { fd } = openSeenFileAt(dir, name);
    try {
      if (!normal) normalise(fd, entry.mode, owner);
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

/** Gives a directory of ours its normal owner and mode, and the time it should have. */
export function settleDir(dir: Dir, mtimeNs: bigint | null, { owner, durable }: Manner): void {
  const { uid, gid, mode } = dir.stats;
  if (owner && (Number(uid) !== owner.uid || Number(gid) !== owner.gid)) fchownSync(dir.fd, owner.uid, owner.gid);
  if ((mode & 0o7777n) !== DIR_MODE) fchmodSync(dir.fd, Number(DIR_MODE));
  if (mtimeNs !== null) futimesSync(dir.fd, fileTime(mtimeNs), fileTime(mtimeNs));
  if (durable) syncToDisk(dir.fd);
}

function normalise(fd: number, mode: number, owner: FileOwner | null): void {
  if (owner) fchownSync(fd, owner.uid, owner.gid);
  fchmodSync(fd, normalMode(mode));
}

/** Dates reach as far as this on either side of 1970; a file system that holds later times has them cut to it. */
const MAX_TIME_S = 8.64e12;

/** A time as Node's calls take it. As a number it would make what is before 1970 the present. */
function fileTime(ns: bigint): number | Date {
  const seconds = Math.max(-MAX_TIME_S, Math.min(MAX_TIME_S, Number(ns) / 1e9));
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}
