// The versions of one workspace on disk: a folder each, with what is known of it, what it changed, and once another version has
// replaced it, the entries that one has no more. Only the holder of the workspace's lock writes here; whoever reads needs no lock.
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { VERSION_KINDS, type VersionKind, type VersionLimits } from "../model/versions.js";
import { syncToDisk } from "../safefs/content.js";
import { overwrite } from "../safefs/descriptor.js";
import { errnoOf } from "../safefs/errors.js";
import { type Delta, readDelta, writeDelta } from "./delta.js";
import { damaged } from "./recorded-tree.js";
import { readIfPresent, stampFrom, stampOf } from "./small-file.js";

const RECORD = "version.json";
const DELTA = "delta.json";
const SAVED = "saved";
const SEAL = '{"version":';
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
  /** True where it can be brought back: what every later version changed is known. */
  readonly kept: boolean;
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

/**
 * Writes what a version's folder says, over what an earlier one said where there is something; whole when this returns. Without a delta it
 * is not known what it changed, and no earlier one can be had.
 */
export function writeVersion(folder: string, record: VersionRecord, delta: Delta | null, durable: boolean): Seen {
  if (delta === null) rmSync(join(folder, DELTA), { force: true });
  else writeOver(join(folder, DELTA), sealed(record.id, writeDelta(delta)), durable);
  let stamp = "";
  writeOver(join(folder, RECORD), `${JSON.stringify(record)}\n`, durable, (fd) => {
    stamp = stampFrom(fstatSync(fd, { bigint: true }));
  });
  return { stamp, record, hasDelta: delta !== null };
}

function writeOver(path: string, text: string, durable: boolean, look?: (fd: number) => void): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    overwrite(fd, Buffer.from(text), fstatSync(fd).size);
    if (durable) syncToDisk(fd);
    look?.(fd);
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

/** A number that no version of these has had, damaged ones included. They are in their order. */
export function nextNumber(ids: readonly string[]): number {
  return Number(ids.at(-1)?.slice(0, 8) ?? 0) + 1;
}

/**
 * The first number's version first. Folders that are pruned meanwhile are left out. With `trusting` a version that was looked at before is
 * not looked at again: to count them, a hand that changed one meanwhile does not matter.
 */
export function listVersions(versions: string, { trusting = false, ids = idsIn(versions) } = {}): StoredVersion[] {
  const found: StoredVersion[] = [];
  let kept = true;
  for (const name of ids.toReversed()) {
    const folder = join(versions, name);
    const { record, hasDelta } = (trusting && seen.get(folder)) || lookAt(folder);
    if (record?.id === name) found.push({ record, folder, kept });
    kept &&= hasDelta;
  }
  return found.reverse();
}

/** The last one that can be read; null where there is none. */
export function newestVersion(versions: string, ids: readonly string[]): VersionRecord | null {
  for (const name of ids.toReversed()) {
    const { record } = lookAt(join(versions, name));
    if (record?.id === name) return record;
  }
  return null;
}

export interface Seen {
  readonly stamp: string;
  readonly record: VersionRecord | null;
  readonly hasDelta: boolean;
}

/** Versions looked at: none is changed once it has its name, but a hand or a disk may do so. */
const seen = new Map<string, Seen>();
const MAX_SEEN = 4_096;

/** Of a version that is on its way out. */
export function forgetVersion(folder: string): void {
  seen.delete(folder);
}

function lookAt(folder: string): Seen {
  const stamp = stampOf(join(folder, RECORD));
  const known = seen.get(folder);
  if (known?.stamp === stamp) return known;
  const found = { stamp, record: readRecord(folder), hasDelta: existsSync(join(folder, DELTA)) };
  noteVersion(folder, found);
  return found;
}

/** Of a version that was written here, and has its place now. */
export function noteVersion(folder: string, version: Seen): void {
  if (seen.size >= MAX_SEEN) seen.clear();
  seen.set(folder, version);
}

/** Of all versions, also of those whose record is damaged. */
export function idsIn(versions: string): string[] {
  return namesIn(versions)
    .filter((name) => ID.test(name))
    .sort();
}

export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** What a version had and the one that replaced it has not, each at its own path. */
export const savedDir = (folder: string): string => join(folder, SAVED);

/**
 * A file that is written over may be another version's after a loss of power, or a part of one: it says whose it is, and that it is whole.
 */
function sealed(id: string, text: string): string {
  return `${SEAL}${JSON.stringify(id)},"sha256":"${sha256(text)}"}\n${text}`;
}

/** Null where it is not this version's. What was written before there were seals has none. */
function unsealed(text: string, id: string): string | null {
  if (!text.startsWith(SEAL)) return text;
  const end = text.indexOf("\n") + 1;
  return text === sealed(id, text.slice(end)) ? text.slice(end) : null;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Null where it is not known, or not any more, what the version of this id changed. */
export function readDeltaIn(folder: string, id: string): Delta | null {
  const path = join(folder, DELTA);
  const text = readIfPresent(path);
  // Once it is pruned the file is written over: what was read while it had its name is its own.
  const own = text === null || !existsSync(path) ? null : unsealed(text, id);
  if (own === null) return null;
  try {
    return readDelta(own, path);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof IsoError) return null;
    throw error;
  }
}

export const damagedDelta = (folder: string): IsoError => damaged(join(folder, DELTA));

/** Versions beyond what is kept, oldest first; the newest is never one of them. */
export function surplus(versions: readonly StoredVersion[], { keep, maxBytes }: VersionLimits): StoredVersion[] {
  let bytes = 0;
  for (let at = versions.length - 2, count = 1; at >= 0; at -= 1, count += 1) {
    bytes += versions[at + 1]?.record.replacedBytes ?? 0;
    if (count > keep || bytes > maxBytes || !versions[at]?.kept) return versions.slice(0, at + 1);
  }
  return [];
}
