// What a version held, as it is written down beside it: a row for each entry that runs get, by path. Old trees share files with the
// live one, so whoever edits a file of a workspace in place changes it in all of them: the record is what tells.
import { closeSync } from "node:fs";
import { IsoError } from "../model/errors.js";
import { hashContent } from "../safefs/content.js";
import { type Dir, type OpenFile, openFileAt } from "../safefs/dir.js";
import type { Entry } from "../safefs/entry.js";
import { SafeFsError } from "../safefs/errors.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import { pacer } from "../safefs/pace.js";
import { isFolder, keyOf, type Manifest, type Node } from "./manifest.js";

export interface RecordedFile {
  readonly kind: "file";
  /** Identity, size and time say that a file need not be read again; the hash is what it held. */
  readonly ino: string;
  readonly size: number;
  readonly mtimeNs: string;
  readonly mode: number;
  readonly sha256: string;
}
export type Recorded = RecordedFile | { readonly kind: "link"; readonly target: string } | { readonly kind: "dir" };

/** By path, its bytes as latin1; a link's target is written in the same way. */
export type RecordedTree = Map<string, Recorded>;

export interface Counts {
  created: number;
  modified: number;
  deleted: number;
}

/** The mode a file has in a workspace, whatever the program gave it. */
export const normalMode = (mode: number): number => (mode & 0o100 ? 0o755 : 0o644);

/** True where the entry is the recorded file, judged without reading it. */
function isRecordOf(recorded: Recorded, entry: Entry, mode = normalMode(entry.mode)): recorded is RecordedFile {
  return (
    recorded.kind === "file" &&
    recorded.ino === String(entry.ino) &&
    recorded.size === entry.size &&
    recorded.mtimeNs === String(entry.mtimeNs) &&
    recorded.mode === mode
  );
}

/** Reads the regular file `name` and writes down what it is. */
export async function recordFile(dir: Dir, name: Buffer): Promise<RecordedFile> {
  const file = openFileAt(dir, name);
  try {
    return await recordOpen(file);
  } finally {
    closeSync(file.fd);
  }
}

export async function recordOpen(file: OpenFile): Promise<RecordedFile> {
  const { ino, size, mtimeNs, mode } = file.stats;
  return {
    kind: "file",
    ...{ ino: String(ino), size: Number(size), mtimeNs: String(mtimeNs), mode: normalMode(Number(mode)) },
    sha256: await hashContent(file),
  };
}

/**
 * The record of a tree that was scanned and judged. A file that `known` has as it is is not read. One that went away since the scan is
 * left out.
 */
export async function recordTree(
  manifest: Manifest,
  dir: Dir,
  known: (path: string) => Recorded | undefined,
): Promise<RecordedTree> {
  const tree: RecordedTree = new Map();
  using cursor = new FollowCursor(dir);
  const pause = pacer();
  const frames: { prefix: string; todo: Iterator<Node> }[] = [{ prefix: "", todo: manifest.root.children.values() }];
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    await pause();
    const { value: node, done } = frame.todo.next();
    if (done) {
      frames.pop();
      if (frames.length > 0) cursor.up();
      continue;
    }
    if (node.leftOut !== null) continue;
    const path = `${frame.prefix}${keyOf(node.entry.name)}`;
    if (isFolder(node)) {
      tree.set(path, { kind: "dir" });
      cursor.down(node.entry.name);
      frames.push({ prefix: `${path}/`, todo: node.children.values() });
    } else if (node.target !== null) {
      tree.set(path, { kind: "link", target: keyOf(node.target) });
    } else {
      const recorded = known(path);
      if (recorded !== undefined && isRecordOf(recorded, node.entry)) tree.set(path, recorded);
      else await recordPresent(tree, path, cursor.dir, node.entry.name);
    }
  }
  return tree;
}

async function recordPresent(tree: RecordedTree, path: string, dir: Dir | null, name: Buffer): Promise<void> {
  if (dir === null) return;
  try {
    tree.set(path, await recordFile(dir, name));
  } catch (error) {
    if (!(error instanceof SafeFsError) || !["missing", "link", "not_regular"].includes(error.reason)) throw error;
  }
}

/** True where both stand for the same entry: a file by its bytes and mode. */
export function sameRecord(a: Recorded | undefined, b: Recorded | undefined): boolean {
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  if (a.kind === "file") return b.kind === "file" && a.sha256 === b.sha256 && a.mode === b.mode;
  return a.kind === "dir" || (b.kind === "link" && a.target === b.target);
}

/** Files and links that are new, other or gone in `after`. */
export function countChanges(before: RecordedTree, after: RecordedTree): Counts {
  const counts = { created: 0, modified: 0, deleted: 0 };
  for (const [path, recorded] of after) {
    if (recorded.kind === "dir") continue;
    const earlier = before.get(path);
    if (earlier === undefined || earlier.kind === "dir") counts.created += 1;
    else if (!sameRecord(earlier, recorded)) counts.modified += 1;
  }
  for (const [path, recorded] of before) {
    const now = after.get(path);
    if (recorded.kind !== "dir" && (now === undefined || now.kind === "dir")) counts.deleted += 1;
  }
  return counts;
}

export function countFiles(tree: RecordedTree): number {
  let count = 0;
  for (const { kind } of tree.values()) if (kind === "file") count += 1;
  return count;
}

const BLOCK_BYTES = 4096;
/** What a name takes in a folder, about. */
const NAME_BYTES = 40;

/** Bytes that the disk holds for `tree` alone once `next` shares the other files with it, about; holes count as if they were data. */
export function bytesOfItsOwn(tree: RecordedTree, next: RecordedTree): number {
  const counted = new Set<string>();
  for (const recorded of next.values()) if (recorded.kind === "file") counted.add(recorded.ino);
  let bytes = BLOCK_BYTES;
  for (const recorded of tree.values()) {
    bytes += NAME_BYTES;
    if (recorded.kind !== "file") bytes += BLOCK_BYTES;
    else if (!counted.has(recorded.ino)) {
      counted.add(recorded.ino);
      bytes += Math.ceil(recorded.size / BLOCK_BYTES) * BLOCK_BYTES;
    }
  }
  return bytes;
}

/** Files by mode, size, time, inode and hash; a link by its target; a folder by its path alone. */
export function rowsOf(tree: RecordedTree): unknown[] {
  return [...tree].map(([path, recorded]) => {
    if (recorded.kind === "dir") return [path];
    if (recorded.kind === "link") return [path, recorded.target];
    const { mode, size, mtimeNs, ino, sha256 } = recorded;
    return [path, mode, size, mtimeNs, ino, sha256];
  });
}

export function treeOf(rows: unknown, source: string): RecordedTree {
  if (!Array.isArray(rows)) throw damaged(source);
  return new Map(rows.map((row) => readRow(row, source)));
}

function readRow(row: unknown, source: string): [string, Recorded] {
  if (!Array.isArray(row)) throw damaged(source);
  const [path, second, size, mtimeNs, ino, sha256]: unknown[] = row;
  if (typeof path !== "string") throw damaged(source);
  if (second === undefined) return [path, { kind: "dir" }];
  if (typeof second === "string") return [path, { kind: "link", target: second }];
  const good =
    typeof second === "number" &&
    typeof size === "number" &&
    typeof mtimeNs === "string" &&
    typeof ino === "string" &&
    typeof sha256 === "string";
  if (!good) throw damaged(source);
  return [path, { kind: "file", mode: second, size, mtimeNs, ino, sha256 }];
}

export function damaged(source: string): IsoError {
  return new IsoError("internal", `The record of a version, "${source}", is damaged.`, {
    hint: "Move its folder away: that version cannot be brought back then; the workspace and the other versions are not touched.",
  });
}
