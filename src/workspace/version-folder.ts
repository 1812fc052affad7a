// The versions of one workspace on disk: a folder each, with what is known of it, the record of its files, and once another version
// has replaced it, its tree. Only the holder of the workspace's lock writes here; whoever reads needs no lock.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { VERSION_KINDS, type VersionKind, type VersionLimits } from "../model/versions.js";
import { syncToDisk } from "../safefs/content.js";
import { errnoOf } from "../safefs/errors.js";
import { isDirectory } from "./live.js";
import { type Recorded, type RecordedTree, readRows, sameRecord, writeRows } from "./recorded-tree.js";
import { readIfPresent } from "./small-file.js";

const RECORD = "version.json";
const FILES = "files.json";
const TREE = "tree";
const ID = /^\d{8}\.[A-Za-z0-9_-]{1,64}$/;
const MAX_NUMBER = 99_999_999;

const Record = z.object({
  id: z.string().regex(ID),
  number: z.int().min(0).max(MAX_NUMBER),
  kind: z.enum(VERSION_KINDS),
  runId: z.string().nullable(),
  at: z.string(),
  changes: z.object({ created: z.int(), modified: z.int(), deleted: z.int() }),
  files: z.int(),
  restored: z.string().nullable(),
  /** The version that was live before, whose tree this one replaced; null where it replaced none. */
  before: z.string().nullable(),
  /** Inode of the tree this version put in place. */
  root: z.string(),
  /** Bytes that only the replaced tree holds. */
  replacedBytes: z.int(),
});
export type VersionRecord = z.output<typeof Record>;

export interface StoredVersion {
  readonly record: VersionRecord;
  readonly folder: string;
  /** Its tree, where it is kept. */
  readonly tree: string | null;
}

export interface Made {
  kind: VersionKind;
  number: number;
  /** What the id ends with. */
  mark: string;
  runId?: string | null;
  restored?: string | null;
  before: string | null;
  root: bigint;
  changes: VersionRecord["changes"];
  files: number;
  replacedBytes: number;
}

export function makeRecord({ number, mark, root, runId = null, restored = null, ...rest }: Made): VersionRecord {
  if (number > MAX_NUMBER)
    throw new IsoError("internal", `The workspace has had ${MAX_NUMBER} versions, the most there can be.`);
  const id = `${String(number).padStart(8, "0")}.${mark}`;
  return { id, number, runId, restored, root: String(root), at: new Date().toISOString(), ...rest };
}

/** Writes a version's folder; whole when this returns. */
export function writeVersion(folder: string, record: VersionRecord, tree: RecordedTree, durable: boolean): void {
  mkdirSync(folder, { mode: 0o700 });
  writeNew(join(folder, FILES), writeRows(tree), durable);
  writeNew(join(folder, RECORD), `${JSON.stringify(record)}\n`, durable);
}

function writeNew(path: string, text: string, durable: boolean): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeFileSync(fd, text);
    if (durable) syncToDisk(fd);
  } finally {
    closeSync(fd);
  }
}

/** Null where the folder is none of a version, or what is written there was cut short by a loss of power. */
export function readRecord(folder: string): VersionRecord | null {
  const text = readIfPresent(join(folder, RECORD));
  if (text === null) return null;
  try {
    return Record.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

/** A number that no version here has had, damaged ones included. */
export function nextNumber(versions: string): number {
  const numbers = namesIn(versions)
    .filter((name) => ID.test(name))
    .map((name) => Number(name.slice(0, 8)));
  return Math.max(0, ...numbers) + 1;
}

/** The first number's version first. Folders that are pruned meanwhile are left out. */
export function listVersions(versions: string): StoredVersion[] {
  const found: StoredVersion[] = [];
  for (const name of namesIn(versions).sort()) {
    if (!ID.test(name)) continue;
    const folder = join(versions, name);
    const record = readRecord(folder);
    if (record?.id === name) found.push({ record, folder, tree: treeIn(folder) });
  }
  return found;
}

export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

export const treePath = (folder: string): string => join(folder, TREE);

function treeIn(folder: string): string | null {
  const tree = treePath(folder);
  return isDirectory(tree) ? tree : null;
}

/** The files of a version as they were recorded; of a replaced one only those that no later record has as they are. */
export function readFiles(folder: string): RecordedTree {
  const path = join(folder, FILES);
  return readRows(readFileSync(path, "utf8"), path);
}

/** What was recorded of a path in the version `of`: by itself, or by the first later one that still has it so. */
export function recordedIn(
  versions: readonly StoredVersion[],
  of: StoredVersion,
): (path: string) => Recorded | undefined {
  const records = versions.slice(versions.indexOf(of)).map(({ folder }) => readFiles(folder));
  return (path) => {
    for (const record of records) {
      const found = record.get(path);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Leaves of a replaced version's record what the next one does not have as it is. */
export function shortenRecord(folder: string, whole: RecordedTree, next: RecordedTree): void {
  const own = [...whole].filter(([path, recorded]) => !sameRecord(recorded, next.get(path)));
  const fresh = join(folder, `${FILES}.new`);
  writeFileSync(fresh, writeRows(new Map(own)), { mode: 0o600 });
  renameSync(fresh, join(folder, FILES));
}

/** Versions beyond what is kept, oldest first; the newest is never one of them. */
export function surplus(versions: readonly StoredVersion[], { keep, maxBytes }: VersionLimits): StoredVersion[] {
  let kept = 0;
  let bytes = 0;
  for (let at = versions.length - 2; at >= 0; at--) {
    if (versions[at]?.tree == null) continue;
    kept += 1;
    bytes += versions[at + 1]?.record.replacedBytes ?? 0;
    if (kept > keep || bytes > maxBytes) return versions.slice(0, at + 1);
  }
  const oldest = versions.findIndex(({ tree }) => tree !== null);
  return versions.slice(0, oldest === -1 ? -1 : oldest);
}
