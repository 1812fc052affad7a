// What differs between two trees of one workspace, file by file; for text of a size to read, line by line.
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { KEEP, KiB, MiB } from "../model/limits.js";
import type { FileChange } from "../model/versions.js";
import { shownPath } from "./manifest.js";
import { type Counts, type Recorded, type RecordedTree, sameRecord } from "./recorded-tree.js";

/** Texts up to this size are compared by lines, as long as they differ in no more than so many and all patches fit. */
const MAX_TEXT_BYTES = 256 * KiB;
const MAX_EDITS = 2000;
const MAX_PATCH_BYTES = 1 * MiB;
/** For one text, and for all of a comparison. */
const MAX_TEXT_MS = 300;
const MAX_PATCHES_MS = 3000;

export interface TreeDifference {
  /** In byte order of paths; the first `KEEP.listEntries`. */
  changes: FileChange[];
  /** True counts. */
  totals: Counts;
}

/** One of two trees: what it holds, and how its regular files are read; null where that cannot be had. */
export interface Side {
  readonly tree: RecordedTree;
  read(path: string, maxBytes: number): Buffer | null;
}

export async function diffSides(before: Side, after: Side): Promise<TreeDifference> {
  const changes: FileChange[] = [];
  const totals = { created: 0, modified: 0, deleted: 0 };
  const room = { bytes: MAX_PATCH_BYTES, ms: MAX_PATCHES_MS };
  for (const pair of pairs(before, after)) {
    const { path, earlier, now } = pair;
    const change = earlier === null ? "created" : now === null ? "deleted" : "modified";
    totals[change] += 1;
    if (changes.length >= KEEP.listEntries) continue;
    const patch = await patchWithin(room, before, after, pair);
    changes.push({
      ...{ ...shownPath({ path: Buffer.from(path, "latin1") }), change },
      ...{ bytesBefore: earlier && bytesOf(earlier), bytesAfter: now && bytesOf(now) },
      ...(patch !== null && { patch }),
    });
  }
  return { changes, totals };
}

const bytesOf = (recorded: Entry): number => (recorded.kind === "file" ? recorded.size : recorded.target.length);

async function patchWithin(
  room: { bytes: number; ms: number },
  before: Side,
  after: Side,
  pair: Pair,
): Promise<string | null> {
  if (room.bytes <= 0 || room.ms <= 0) return null;
  const { structuredPatch } = await import("diff");
  const startedAt = performance.now();
  const patch = patchOf(structuredPatch, before, after, pair);
  room.ms -= performance.now() - startedAt;
  room.bytes -= patch === null ? 0 : Buffer.byteLength(patch);
  return room.bytes < 0 ? null : patch;
}

type Entry = Exclude<Recorded, { kind: "dir" }>;

interface Pair {
  path: string;
  earlier: Entry | null;
  now: Entry | null;
}

/** Files and links that differ, in byte order of paths. */
function pairs(before: Side, after: Side): Pair[] {
  const entryAt = ({ tree }: Side, path: string): Entry | null => {
    const found = tree.get(path);
    return found === undefined || found.kind === "dir" ? null : found;
  };
  const found: Pair[] = [];
  for (const path of new Set([...before.tree.keys(), ...after.tree.keys()])) {
    const [earlier, now] = [entryAt(before, path), entryAt(after, path)];
    if (earlier === null && now === null) continue;
    if (earlier === null || now === null || !sameRecord(earlier, now)) found.push({ path, earlier, now });
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The hunks of a unified diff; null where a side is no text, too long, or too different. */
function patchOf(
  structuredPatch: typeof import("diff").structuredPatch,
  before: Side,
  after: Side,
  { path, earlier, now }: Pair,
): string | null {
  const [a, b] = [textOf(before, path, earlier), textOf(after, path, now)];
  if (a === null || b === null) return null;
  const limits = { context: 3, maxEditLength: MAX_EDITS, timeout: MAX_TEXT_MS };
  const patch = structuredPatch("", "", a, b, undefined, undefined, limits);
  if (patch === undefined) return null;
  const hunks = patch.hunks.map(({ oldStart, oldLines, newStart, newLines, lines }) =>
    [`@@ -${sayLines(oldStart, oldLines)} +${sayLines(newStart, newLines)} @@`, ...lines].join("\n"),
  );
  return hunks.join("\n");
}

/** Of no lines the line before them is named. */
const sayLines = (start: number, count: number): string => `${count === 0 ? start - 1 : start},${count}`;

/** Null where the bytes are no short text, or are not the recorded ones any more. */
function textOf(side: Side, path: string, recorded: Entry | null): string | null {
  if (recorded === null) return "";
  if (recorded.kind !== "file" || recorded.size > MAX_TEXT_BYTES) return null;
  const bytes = side.read(path, MAX_TEXT_BYTES);
  if (bytes === null || createHash("sha256").update(bytes).digest("hex") !== recorded.sha256) return null;
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString("utf8") : null;
}
