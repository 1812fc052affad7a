// The live tree of a workspace is replaced by another one, whole or not at all, and what the one before had more becomes its earlier
// version's. The twin is made the new tree and exchanged in one step; docs/workspace.md names what a crash leaves at each point and
// what heals it.
import { lstatSync, mkdirSync, renameSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { step } from "../model/steps.js";
import { openTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { removeTree } from "../safefs/remove.js";
import { applyChanges, type Plan } from "./apply-changes.js";
import { type Before, openSaving } from "./before.js";
import type { StoreContext } from "./context.js";
import { type Delta, pathsOf } from "./delta.js";
import { failure } from "./failure.js";
import { liveDir, twinDir, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { makeOwnFolder } from "./own-folder.js";
import { bytesOfItsOwn, countChanges, countFiles } from "./recorded-tree.js";
import { keepSpare, spareFolder, takeSpare } from "./spare-folders.js";
import { syncFolders } from "./sync-folders.js";
import { bringUp } from "./twin.js";
import {
  forgetVersion,
  listVersions,
  type Made,
  makeRecord,
  namesIn,
  nextNumber,
  readDeltaIn,
  readRecord,
  savedDir,
  surplus,
  type VersionRecord,
  writeVersion,
} from "./version-folder.js";

/** Names in the folder of one replacement. */
const NEW = "new";
/** A whole tree that may become the live one; after an exchange, the old one. */
const READY = "ready";
const OLD = "old";
/** The folder of the version that the new tree is, while it is written and when it is whole. */
const VERSION = "version";
const MADE = "made";

export interface Replacement {
  dirName: string;
  /** Names the folder of this replacement. */
  mark: string;
  durable: boolean;
  plan: Plan;
  /** What `settleBefore` said: null where versions are off. */
  before: Before | null;
  made: Pick<Made, "kind" | "mark" | "runId" | "restored">;
}

/** The record of the version that was made; null where versions are off. Throws where nothing was replaced. */
export async function replaceLive(context: StoreContext, change: Replacement): Promise<VersionRecord | null> {
  const { layout, instance } = context;
  const live = liveDir(layout, change.dirName);
  const staging = join(layout.staging, change.dirName, `${instance.id}.${change.mark}`);
  let staged: Staged;
  try {
    staged = await stage(context, change, staging);
    await context.settled.beforeExchange(change.dirName);
    await swap(context, live, staging);
  } catch (error) {
    await context.settled.forget(change.dirName);
    if (isDirectory(live)) await removeTree(staging).catch(() => undefined);
    removeIfEmpty(dirname(staging));
    throw failure(error, "The workspace is as it was before: its new files cannot be put in place");
  }
  try {
    step("commit.placed");
    await settle(context, { ...change, ...staged, staging });
    await context.settled.exchanged(change.dirName, staged.delta, staged.record?.id ?? null);
    prune(context, change.dirName);
  } catch {
    await context.settled.forget(change.dirName);
    // The new tree is live. Whoever takes the lock next does what is left, from what lies in the staging folder.
  }
  if (change.durable) makeLasting([dirname(live), ...foldersOf(context, change)]);
  return staged.record;
}

interface Staged {
  record: VersionRecord | null;
  delta: Delta;
}

/** Makes the twin the new tree and gives it the name by which recovery knows that it is whole. */
async function stage(context: StoreContext, change: Replacement, staging: string): Promise<Staged> {
  const { dirName, before, durable } = change;
  const { layout } = context;
  await removeTree(staging);
  takeSpare(layout, dirName, "workspace", dirname(staging));
  takeSpare(layout, dirName, "replacement", staging);
  const fresh = join(staging, NEW);
  renameSync(twinDir(layout, dirName), fresh);
  step("commit.begun");
  const delta = await build(context, change, fresh);
  step("commit.built");
  const record = before === null ? null : describe(context, change, before, fresh, delta);
  if (record !== null) {
    makeOwnFolder(versionsDir(layout, dirName));
    const version = join(staging, VERSION);
    takeSpare(layout, dirName, "version", version);
    // Of a process that died between two steps of pruning.
    if (isDirectory(savedDir(version))) context.trash.discard(savedDir(version), layout.trash);
    writeVersion(version, record, delta, durable);
    renameSync(version, join(staging, MADE));
    step("commit.recorded");
  }
  renameSync(fresh, join(staging, READY));
  if (durable) syncFolders([staging, dirname(staging), dirname(dirname(staging))]);
  step("commit.ready");
  return { record, delta };
}

async function build(context: StoreContext, { plan, before, durable }: Replacement, fresh: string): Promise<Delta> {
  using tree = openTrustedDir(fresh);
  return await applyChanges(tree, plan, before?.tree ?? null, { owner: context.chownTo, durable });
}

function describe(
  context: StoreContext,
  { dirName, made }: Replacement,
  before: Before,
  fresh: string,
  { was, now }: Delta,
): VersionRecord {
  return makeRecord({
    ...made,
    number: nextNumber(versionsDir(context.layout, dirName)),
    before: before.id,
    root: lstatSync(fresh, { bigint: true }).ino,
    changes: countChanges(was, now),
    files: before.files - countFiles(was) + countFiles(now),
    replacedBytes: bytesOfItsOwn(was, now),
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

interface Settlement extends Staged {
  dirName: string;
  staging: string;
  durable: boolean;
}

/**
 * After the exchange: the old tree is brought up to the new one and is its twin, what it had more becomes the earlier version's, the
 * new version gets its name. Any of it may be done already.
 */
async function settle(context: StoreContext, change: Settlement): Promise<void> {
  const { layout, records, trash } = context;
  const { dirName, staging, record, delta, durable } = change;
  const versions = versionsDir(layout, dirName);
  const twin = twinDir(layout, dirName);
  for (const name of [READY, OLD]) {
    if (!isDirectory(join(staging, name))) continue;
    if (isDirectory(twin)) trash.discard(twin, layout.trash);
    renameSync(join(staging, name), twin);
  }
  if (isDirectory(twin)) await bringUpTwin(context, change, join(versions, record?.before ?? ""));
  step("commit.old-kept");
  if (record !== null) {
    if (records.get(dirName)?.id === record.before) records.append(dirName, record.id, delta, durable);
    moveWhere(join(staging, MADE), join(versions, record.id));
    step("commit.versioned");
  }
  putAway(context, dirName, staging);
  step("commit.old-moved-away");
}

/** The folders of a replacement that came to its end. */
function putAway({ layout, trash }: StoreContext, dirName: string, staging: string): void {
  const isEmpty = (folder: string) => namesIn(folder).length === 0;
  if (!isEmpty(staging) || keepSpare(layout, dirName, "replacement", staging) === null)
    trash.discard(staging, layout.trash);
  const folder = dirname(staging);
  if (!isEmpty(folder) || keepSpare(layout, dirName, "workspace", folder) === null) removeIfEmpty(folder);
}

async function bringUpTwin(context: StoreContext, change: Settlement, before: string): Promise<void> {
  const { dirName, record, delta, durable } = change;
  const manner = { owner: context.chownTo, durable };
  using twin = openTrustedDir(twinDir(context.layout, dirName));
  using live = openTrustedDir(liveDir(context.layout, dirName));
  const bring = (saving: Parameters<typeof bringUp>[2]) => bringUp({ live, twin }, pathsOf(delta), saving, manner);
  if (record === null || !isDirectory(before)) return await bring(null);
  using saving = openSaving(before, (path) => delta.was.has(path));
  await bring(saving);
}

/** Moves what is there to where a place for it is; what has none goes away with the staging folder. */
function moveWhere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
}

/** Drops what is more than is kept. */
function prune(context: StoreContext, dirName: string): void {
  const { layout, records, versions, trash } = context;
  for (const { folder } of surplus(listVersions(versionsDir(layout, dirName), { trusting: true }), versions)) {
    forgetVersion(folder);
    // Where no version is kept, nothing of one stays: its names and digests are the user's.
    const spare = versions.keep === 0 ? null : keepSpare(layout, dirName, "version", folder);
    trash.discard(spare === null ? folder : savedDir(spare), layout.trash);
    step("commit.pruned");
  }
  if (versions.keep > 0) return;
  records.remove(dirName);
  trash.discard(spareFolder(layout, dirName, "version"), layout.trash);
}

function foldersOf({ layout }: StoreContext, { dirName, before }: Replacement): string[] {
  const versions = versionsDir(layout, dirName);
  const own = [layout.staging, layout.twins];
  return before === null ? own : [...own, join(versions, before.id), versions, layout.versions, layout.records];
}

/** Writes the exchange itself through to the disk. */
function makeLasting(dirs: string[]): void {
  try {
    syncFolders(dirs);
  } catch (error) {
    throw failure(error, "The workspace has its new files, but they may not survive a loss of power");
  }
}

/**
 * Under the workspace's lock, before anything else: brings a replacement that died to its end or takes it back. Whatever lies in
 * the workspace's staging folder then is a dead one's, for only the holder of the lock puts anything there.
 */
export async function healReplacements(context: StoreContext, dirName: string): Promise<void> {
  const { layout } = context;
  const folder = join(layout.staging, dirName);
  const live = liveDir(layout, dirName);
  for (const name of namesIn(folder)) {
    await context.settled.forget(dirName);
    const staging = join(folder, name);
    for (const whole of [READY, OLD]) {
      if (isDirectory(live) || !isDirectory(join(staging, whole))) continue;
      mkdirSync(dirname(live), { recursive: true, mode: 0o755 });
      renameSync(join(staging, whole), live);
      step("heal.placed");
    }
    const record = isPlaced(live, staging);
    const delta = record && readDeltaIn(join(staging, MADE), record.id);
    if (record && delta) await settle(context, { dirName, staging, record, delta, durable: false });
    else context.trash.discard(staging, layout.trash);
    step("heal.cleared");
  }
  removeIfEmpty(folder);
}

/** The version that this replacement made, where its tree is the live one. */
function isPlaced(live: string, staging: string): VersionRecord | null {
  const record = readRecord(join(staging, MADE));
  const root = lstatSync(live, { bigint: true, throwIfNoEntry: false })?.ino;
  return record !== null && String(root) === record.root ? record : null;
}

/** The version that was put in place by a process that died before it could name it. */
export function unnamedVersion(live: string, folder: string): VersionRecord | null {
  for (const name of namesIn(folder)) {
    const record = isPlaced(live, join(folder, name));
    if (record !== null) return record;
  }
  return null;
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
  }
}
