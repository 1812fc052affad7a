// The twin of a live tree: a second tree of folders of our own whose files are those of the live one by hard links. The next commit
// changes it where no one looks, and exchanges the two; then the one that was live is brought up to the new one, and is the twin.
import { randomBytes } from "node:crypto";
import { lchownSync, mkdirSync, renameSync } from "node:fs";
import { DirCursor } from "../safefs/cursor.js";
import { type Dir, openDirAt } from "../safefs/dir.js";
import { readLinkAt, statAt, type TreeEntry } from "../safefs/entry.js";
import { SafeFsError } from "../safefs/errors.js";
import { pacer } from "../safefs/pace.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { removeAt } from "../safefs/remove.js";
import { traverse } from "../safefs/walk.js";
import { type Folder, isFolder, keyOf, type Node, nodesBelow } from "./manifest.js";
import { type Manner, placeCopy, settleDir, settleFile, tryLink } from "./place-file.js";
import { normalMode } from "./recorded-tree.js";

/** Where entries go that the twin has no more, and which of them; the others are removed. */
export interface Saving {
  readonly dir: Dir;
  has(path: string): boolean;
}

/**
 * Makes the twin what the live tree is at these paths, and below them; false where a file could not have one more name and was copied. What is done already is not done again, so that whoever dies in
 * between is followed by somebody who does the same.
 */
export async function bringUp(
  { live, twin }: { live: Dir; twin: Dir },
  paths: Iterable<string>,
  saving: Saving | null,
  manner: Manner,
): Promise<boolean> {
  let isLinked = true;
  using from = new PathCursor(live);
  using to = new PathCursor(twin);
  using saved = saving && new PathCursor(saving.dir);
  const pause = pacer();
  const above = new Set<string>();
  for (const path of [...paths].sort()) {
    await pause();
    const [folder, name] = splitLast(path);
    const target = to.go(folder);
    if (target === null) continue;
    const source = from.go(folder);
    const wanted = source && statAt(source, name);
    const found = statAt(target, name);
    if (isSame(source, wanted, target, found, name)) continue;
    above.add(folder);
    if (found !== null) {
      const place = saving?.has(path) ? saved?.make(folder, 0o700) : null;
      if (place && statAt(place, name) === null) renameSync(target.child(name), place.child(name));
      else await removeAt(target, name, undefined, found);
    }
    if (source !== null && wanted !== null && !(await linkEntry(source, wanted, target, manner))) isLinked = false;
  }
  for (const folder of above) {
    const [source, target] = [from.go(folder), to.go(folder)];
    if (source !== null && target !== null) settleDir(target, source.stats.mtimeNs, manner);
  }
  return isLinked;
}

function isSame(a: Dir | null, wanted: TreeEntry | null, b: Dir, found: TreeEntry | null, name: Buffer): boolean {
  if (wanted === null || found === null || wanted.kind !== found.kind) return wanted === found;
  if (wanted.kind === "dir" || (wanted.ino === found.ino && wanted.dev === found.dev)) return true;
  return wanted.kind === "link" && a !== null && sameTarget(readLinkAt(a, name), readLinkAt(b, name));
}

const sameTarget = (a: Buffer | null, b: Buffer | null): boolean => a !== null && b !== null && a.equals(b);

/** One more name for an entry; for a folder a new one, with further names for all below it. False where a file was copied. */
async function linkEntry(source: Dir, entry: TreeEntry, target: Dir, manner: Manner): Promise<boolean> {
  if (entry.kind !== "dir") return await linkFile(source, entry, target, manner);
  let isLinked = true;
  mkdirSync(target.child(entry.name), 0o700);
  using root = openDirAt(source, entry.name);
  using made = openDirAt(target, entry.name);
  using to = new DirCursor(made);
  const pause = pacer();
  for (const step of traverse(root)) {
    await pause();
    if (step.type === "lost") throw step.error;
    if (step.type === "leave") {
      settleDir(to.dir, step.entry.mtimeNs, manner);
      to.leave();
    } else if (step.entry.kind === "dir") {
      mkdirSync(to.dir.child(step.entry.name), 0o700);
      to.enter(step.entry.name);
    } else if (!(await linkFile(step.dir, step.entry, to.dir, manner))) isLinked = false;
  }
  settleDir(made, entry.mtimeNs, manner);
  return isLinked;
}

async function linkFile(source: Dir, entry: TreeEntry, target: Dir, manner: Manner): Promise<boolean> {
  const path = target.child(entry.name);
  if (tryLink(source.child(entry.name), path)) return true;
  if (entry.kind === "file") {
    await placeCopy(source, entry, path, manner);
    return false;
  }
  throw new SafeFsError("io", "an entry of the workspace cannot have a second name");
}

/** Whether a node of a live tree has its normal owner and mode, or is none of the twin's. */
function isSettled({ entry, leftOut }: Node, { owner, durable }: Manner): boolean {
  if (leftOut !== null || (entry.kind !== "file" && entry.kind !== "link")) return true;
  if (owner && (entry.uid !== owner.uid || entry.gid !== owner.gid)) return false;
  return entry.kind === "link" || (!durable && entry.mode === normalMode(entry.mode));
}

/** Whether a live tree holds nothing but what runs get, all of it with its normal owner and mode. */
export function isPlainLive(root: Folder, manner: Manner): boolean {
  for (const node of nodesBelow(root)) if (node.leftOut !== null || !isSettled(node, manner)) return false;
  return true;
}

/** Gives the twin's files and links of these nodes their normal owner and mode; one that cannot have them is copied. */
export async function settleKept(root: Folder, twin: Dir, manner: Manner): Promise<void> {
  using to = new PathCursor(twin);
  const pause = pacer();
  const { owner } = manner;
  for (const node of nodesBelow(root, (folder) => folder.leftOut === null)) {
    await pause();
    if (isSettled(node, manner)) continue;
    const { entry } = node;
    const [folder, name] = splitLast(keyOf(entry.path));
    const dir = to.go(folder);
    const found = dir && statAt(dir, name);
    if (dir === null || found?.kind !== entry.kind) continue;
    if (found.kind === "link") {
      if (owner) lchownSync(dir.child(name), owner.uid, owner.gid);
      continue;
    }
    if (settleFile(dir, name, found, manner)) continue;
    // Somebody else's can be copied, but not changed.
    const aside = dir.child(Buffer.from(`.${randomBytes(9).toString("hex")}.part`));
    await placeCopy(dir, found, aside, manner);
    renameSync(aside, dir.child(name));
  }
}

/** The topmost paths at which two trees have not the same entry. */
export function differences(live: Folder, twin: Folder): string[] {
  const found: string[] = [];
  const pairs = [{ live, twin, prefix: "" }];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const { prefix } = pair;
    for (const [name, a] of pair.live.children) {
      const b = pair.twin.children.get(name);
      if (b !== undefined && isFolder(a) && isFolder(b)) pairs.push({ live: a, twin: b, prefix: `${prefix}${name}/` });
      else if (b === undefined || !isSameNode(a, b)) found.push(`${prefix}${name}`);
    }
    for (const name of pair.twin.children.keys()) if (!pair.live.children.has(name)) found.push(`${prefix}${name}`);
  }
  return found;
}

function isSameNode(a: Node, b: Node): boolean {
  if (a.entry.kind !== b.entry.kind) return false;
  return (a.entry.ino === b.entry.ino && a.entry.dev === b.entry.dev) || sameTarget(a.target, b.target);
}
