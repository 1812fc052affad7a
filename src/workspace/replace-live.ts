// The live tree of a workspace is replaced by another one, whole or not at all, and the one before becomes its earlier version. The new
// tree is built aside and exchanged in one step; docs/workspace.md names what a crash leaves at each point and what heals it.
import { closeSync, constants, fsyncSync, lstatSync, mkdirSync, openSync, renameSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { step } from "../model/steps.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { removeTree } from "../safefs/remove.js";
import { type BuildPlan, buildTree } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import { failure } from "./failure.js";
import { liveDir, versionsDir } from "./layout.js";
import { ensureLive, isDirectory } from "./live.js";
import { bytesOfItsOwn, countChanges, countFiles, type RecordedTree } from "./recorded-tree.js";
import {
  listVersions,
  type Made,
  makeRecord,
  namesIn,
  nextNumber,
  readRecord,
  shortenRecord,
  surplus,
  treePath,
  type VersionRecord,
  writeVersion,
} from "./version-folder.js";

/** Names in the folder of one replacement. */
const NEW = "new";
/** A whole tree that may become the live one; after an exchange, the old one. */
const READY = "ready";
const OLD = "old";
const LINKS = "links";
/** The folder of the version that the new tree is. */
const MADE = "made";

/** The version that is live before a replacement. */
export interface Before {
  id: string;
  tree: RecordedTree;
}

export interface Replacement {
  dirName: string;
  /** Names the folder of this replacement. */
  mark: string;
  durable: boolean;
  plan(live: Dir): Promise<Pick<BuildPlan, "root" | "source" | "reuse" | "carry">>;
  /** Null where versions are off. */
  before: Before | null;
  /** Records by which linked files are known; those of `before` where it is absent. */
  known?: RecordedTree;
  /** Records of carried entries that are part of the version all the same. */
  also?: RecordedTree;
  made: Pick<Made, "kind" | "mark" | "runId" | "restored">;
}

/** The record of the version that was made; null where versions are off. Throws where nothing was replaced. */
export async function replaceLive(context: StoreContext, change: Replacement): Promise<VersionRecord | null> {
  const { layout, instance } = context;
  const live = liveDir(layout, change.dirName);
  const staging = join(layout.staging, change.dirName, `${instance.id}.${change.mark}`);
  let staged: Staged;
  try {
    staged = await stage(context, change, live, staging);
    await swap(context, live, staging);
  } catch (error) {
    if (isDirectory(live)) await removeTree(staging).catch(() => undefined);
    removeIfEmpty(dirname(staging));
    throw failure(error, "The workspace is as it was before: its new files cannot be put in place");
  }
  try {
    step("commit.placed");
    settle(context, change.dirName, staging);
    if (change.before) shorten(context, change.dirName, change.before, staged.tree);
    prune(context, change.dirName);
  } catch {
    // The new tree is live. Whoever takes the lock next does what is left, from what lies in the staging folder.
  }
  if (change.durable) makeLasting([dirname(live), ...foldersOf(context, change)]);
  return staged.record;
}

interface Staged {
  record: VersionRecord | null;
  tree: RecordedTree;
}

/** Builds the new tree and gives it the name by which recovery knows that it is whole. */
async function stage(context: StoreContext, change: Replacement, live: string, staging: string): Promise<Staged> {
  ensureLive(live, context.chownTo);
  await removeTree(staging);
  const fresh = join(staging, NEW);
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  step("commit.begun");
  const tree: RecordedTree = new Map();
  await build(context, change, { live, staging, tree });
  for (const [path, recorded] of change.also ?? []) tree.set(path, recorded);
  step("commit.built");
  const record = change.before === null ? null : describe(context, change, change.before, fresh, tree);
  if (record !== null) {
    mkdirSync(versionsDir(context.layout, change.dirName), { recursive: true, mode: 0o700 });
    writeVersion(join(staging, MADE), record, tree, change.durable);
    step("commit.recorded");
  }
  renameSync(fresh, join(staging, READY));
  if (change.durable) for (const path of [staging, dirname(staging), dirname(dirname(staging))]) syncDir(path);
  step("commit.ready");
  return { record, tree };
}

async function build(
  context: StoreContext,
  change: Replacement,
  { live, staging, tree }: { live: string; staging: string; tree: RecordedTree },
): Promise<void> {
  using target = openTrustedDir(join(staging, NEW));
  using workspace = openTrustedDir(live);
  const { before, durable } = change;
  await buildTree({
    ...(await change.plan(workspace)),
    ...{ target, links: join(staging, LINKS), owner: context.chownTo, durable },
    record: before === null ? undefined : { known: change.known ?? before.tree, tree },
  });
}

function describe(
  context: StoreContext,
  { dirName, made }: Replacement,
  before: Before,
  fresh: string,
  tree: RecordedTree,
): VersionRecord {
  return makeRecord({
    ...made,
    number: nextNumber(versionsDir(context.layout, dirName)),
    before: before.id,
    root: lstatSync(fresh, { bigint: true }).ino,
    changes: countChanges(before.tree, tree),
    files: countFiles(tree),
    replacedBytes: bytesOfItsOwn(before.tree, tree),
  });
}

async function swap(context: StoreContext, live: string, staging: string): Promise<void> {
  const ready = join(staging, READY);
  const { ino } = lstatSync(ready, { bigint: true });
  if (await context.exchanger.exchange(ready, live)) return;
  // The helper may have died after it did its work.
  if (lstatSync(live, { bigint: true }).ino === ino) return;
  renameSync(live, join(staging, OLD));
  step("commit.gap");
  try {
    renameSync(ready, live);
  } catch (error) {
    renameSync(join(staging, OLD), live);
    throw error;
  }
}

/** After the exchange: the old tree becomes an earlier version, the new version gets its name. Any of it may be done already. */
function settle(context: StoreContext, dirName: string, staging: string): void {
  const { layout } = context;
  const record = readRecord(join(staging, MADE));
  if (record !== null) {
    const versions = versionsDir(layout, dirName);
    if (record.before !== null) {
      for (const name of [READY, OLD]) moveWhere(join(staging, name), treePath(join(versions, record.before)));
      step("commit.old-kept");
    }
    moveWhere(join(staging, MADE), join(versions, record.id));
    step("commit.versioned");
  }
  context.trash.discard(staging, layout.trash);
  removeIfEmpty(dirname(staging));
  step("commit.old-moved-away");
}

/** Moves what is there to where a place for it is; what has none goes away with the staging folder. */
function moveWhere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** Nothing depends on this: a record that was not shortened is only longer. */
function shorten({ layout }: StoreContext, dirName: string, before: Before, tree: RecordedTree): void {
  shortenRecord(join(versionsDir(layout, dirName), before.id), before.tree, tree);
}

/** Drops what is more than is kept. */
function prune(context: StoreContext, dirName: string): void {
  for (const { folder } of surplus(listVersions(versionsDir(context.layout, dirName)), context.versions)) {
    context.trash.discard(folder, context.layout.trash);
    step("commit.pruned");
  }
}

function foldersOf({ layout }: StoreContext, { dirName, before }: Replacement): string[] {
  const versions = versionsDir(layout, dirName);
  return before === null ? [layout.staging] : [layout.staging, join(versions, before.id), versions, layout.versions];
}

/** Writes the exchange itself through to the disk. */
function makeLasting(dirs: string[]): void {
  try {
    for (const path of dirs) if (isDirectory(path)) syncDir(path);
  } catch (error) {
    throw failure(error, "The workspace has its new files, but they may not survive a loss of power");
  }
}

/**
 * Under the workspace's lock, before anything else: brings a replacement that died to its end or takes it back. Whatever lies in
 * the workspace's staging folder then is a dead one's, for only the holder of the lock puts anything there.
 */
export function healReplacements(context: StoreContext, dirName: string): void {
  const { layout } = context;
  const folder = join(layout.staging, dirName);
  const live = liveDir(layout, dirName);
  for (const name of namesIn(folder)) {
    const staging = join(folder, name);
    for (const whole of [READY, OLD]) {
      if (isDirectory(live) || !isDirectory(join(staging, whole))) continue;
      mkdirSync(dirname(live), { recursive: true, mode: 0o755 });
      renameSync(join(staging, whole), live);
      step("heal.placed");
    }
    if (isPlaced(live, staging)) settle(context, dirName, staging);
    else context.trash.discard(staging, layout.trash);
    step("heal.cleared");
  }
  removeIfEmpty(folder);
}

/** True where the tree that this replacement built is the live one. */
function isPlaced(live: string, staging: string): boolean {
  const root = readRecord(join(staging, MADE))?.root;
  return root !== undefined && String(lstatSync(live, { bigint: true, throwIfNoEntry: false })?.ino) === root;
}

/** The version that was put in place by a process that died before it could name it. */
export function unnamedVersion(live: string, folder: string): VersionRecord | null {
  const staging = namesIn(folder)
    .map((name) => join(folder, name))
    .find((path) => isPlaced(live, path));
  return staging === undefined ? null : readRecord(join(staging, MADE));
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
}

function syncDir(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
