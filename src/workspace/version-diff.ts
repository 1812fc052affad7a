// What differs between two trees of one workspace, file by file; for text of a size to read, line by line.
import { isUtf8 } from "node:buffer";
import { closeSync } from "node:fs";
import { structuredPatch } from "diff";
import { KEEP, KiB, MiB } from "../model/limits.js";
import type { FileChange } from "../model/versions.js";
import { sameBytes } from "../safefs/content.js";
import type { Entry } from "../safefs/entry.js";
import type { Tree } from "../safefs/tree.js";
import { judgeKept } from "./kept.js";
import { isFolder, lookUp, type Manifest, type Node, nodesBelow, scan, shownPath } from "./manifest.js";
import { type Counts, normalMode } from "./recorded-tree.js";

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

interface Side {
  tree: Tree;
  manifest: Manifest;
}

export async function diffTreesOf(a: Tree, b: Tree): Promise<TreeDifference> {
  const [before, after] = [await sideOf(a), await sideOf(b)];
  const changes: FileChange[] = [];
  const totals = { created: 0, modified: 0, deleted: 0 };
  const room = { bytes: MAX_PATCH_BYTES, ms: MAX_PATCHES_MS };
  for (const pair of pairs(before, after)) {
    const { earlier, now } = pair;
    if (earlier !== null && now !== null && (await sameEntry(before, after, earlier, now))) continue;
    const change = earlier === null ? "created" : now === null ? "deleted" : "modified";
    totals[change] += 1;
    if (changes.length >= KEEP.listEntries) continue;
    const patch = patchWithin(room, before, after, pair);
    changes.push({
      ...{ ...shownPath(pair.entry), change },
      ...{ bytesBefore: earlier?.entry.size ?? null, bytesAfter: now?.entry.size ?? null },
      ...(patch !== null && { patch }),
    });
  }
  return { changes, totals };
}

function patchWithin(room: { bytes: number; ms: number }, before: Side, after: Side, pair: Pair): string | null {
  if (room.bytes <= 0 || room.ms <= 0) return null;
  const startedAt = performance.now();
  const patch = patchOf(before, after, pair);
  room.ms -= performance.now() - startedAt;
  room.bytes -= patch === null ? 0 : Buffer.byteLength(patch);
  return room.bytes < 0 ? null : patch;
}

async function sideOf(tree: Tree): Promise<Side> {
  const manifest = await scan(tree.root);
  judgeKept(manifest);
  return { tree, manifest };
}

interface Pair {
  entry: Entry;
  earlier: Node | null;
  now: Node | null;
}

function pairs(before: Side, after: Side): Pair[] {
  const files = (side: Side) =>
    [...nodesBelow(side.manifest.root)].filter((node) => !isFolder(node) && node.leftOut === null);
  const counterpart = (side: Side, node: Node) => {
    const found = lookUp(side.manifest.root, node.entry.path);
    return found !== null && !isFolder(found) && found.leftOut === null ? found : null;
  };
  const old = files(before).map((earlier) => ({ entry: earlier.entry, earlier, now: counterpart(after, earlier) }));
  const fresh = files(after).filter((now) => counterpart(before, now) === null);
  const all: Pair[] = [...old, ...fresh.map((now) => ({ entry: now.entry, earlier: null, now }))];
  return all.sort((x, y) => Buffer.compare(x.entry.path, y.entry.path));
}

async function sameEntry(before: Side, after: Side, earlier: Node, now: Node): Promise<boolean> {
  const [a, b] = [earlier.entry, now.entry];
  if (a.kind !== b.kind) return false;
  if (earlier.target !== null) return now.target?.equals(earlier.target) ?? false;
  if (normalMode(a.mode) !== normalMode(b.mode)) return false;
  if (a.dev === b.dev && a.ino === b.ino) return true;
  if (a.size !== b.size) return false;
  const left = before.tree.openFile(a.path);
  try {
    const right = after.tree.openFile(b.path);
    try {
      return await sameBytes(left, right);
    } finally {
      closeSync(right);
    }
  } finally {
    closeSync(left);
  }
}

/** The hunks of a unified diff; null where a side is no text, too long, or too different. */
function patchOf(before: Side, after: Side, { earlier, now }: Pair): string | null {
  const [a, b] = [textOf(before, earlier), textOf(after, now)];
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

function textOf({ tree }: Side, node: Node | null): string | null {
  if (node === null) return "";
  if (node.entry.kind !== "file" || node.entry.size > MAX_TEXT_BYTES) return null;
  const bytes = tree.readFile(node.entry.path, MAX_TEXT_BYTES);
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString("utf8") : null;
}
