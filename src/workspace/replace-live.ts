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
  noteVersion,
  readDeltaIn,
  readRecord,
  type Seen,
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

/** A folder that held more stays large after they are gone. */
const MAX_NAMES = 16;

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
    await swap(context, live, { staging, root: staged.root });
  } catch (error) {
    await context.settled.forget(change.dirName);
    if (isDirectory(live)) await removeTree(staging).catch(() => undefined);
    removeIfEmpty(dirname(staging));
    throw failure(error, "The workspace is as it was before: its new files cannot be put in place");
  }
  try {
    step("commit.placed");
    await settle(context, { ...change, ...staged, staging, isOurs: true });
    await context.settled.exchanged(change.dirName, staged.delta, staged.record?.id ?? null);
    prune(context, change, staged.record);
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
  /** What the new version's folder says; null where that is to be read again. */
  written: Seen | null;
  /** Inode of the new tree. */
  root: bigint;
}

/** Makes the twin the new tree and gives it the name by which recovery knows that it is whole. */
async function stage(context: StoreContext, change: Replacement, staging: string): Promise<Staged> {
  const { dirName, before, durable } = change;
  const { layout } = context;
  await removeTree(staging);
  takeSpare(layout, dirName, "workspace", dirname(staging));
  takeSpare(layout, dirName, "replacement", staging);
  const fresh = join(staging, NEW);
  context.twins.forget(dirName);
  renameSync(twinDir(layout, dirName), fresh);
  step("commit.begun");
  const { delta, root } = await build(context, change, fresh);
  step("commit.built");
  const record = before === null ? null : describe(change, before, root, delta);
  let written: Seen | null = null;
  if (record !== null) {
    makeOwnFolder(versionsDir(layout, dirName));
    const version = join(staging, VERSION);
    takeSpare(layout, dirName, "version", version);
    // Of a process that died between two steps of pruning there may be something in it.
    emptySaved(context, version);
    written = writeVersion(version, record, delta, durable);
    renameSync(version, join(staging, MADE));
    step("commit.recorded");
  }
  renameSync(fresh, join(staging, READY));
  if (durable) syncFolders([staging, dirname(staging), dirname(dirname(staging))]);
  step("commit.ready");
  return { record, delta, written, root };
}

async function build(
  context: StoreContext,
  { plan, before, durable }: Replacement,
  fresh: string,
): Promise<Pick<Staged, "delta" | "root">> {
  using tree = openTrustedDir(fresh);
  const delta = await applyChanges(tree, plan, before?.tree ?? null, { owner: context.chownTo, durable });
  return { delta, root: tree.ino };
}

function describe({ made }: Replacement, before: Before, root: bigint, { was, now }: Delta): VersionRecord {
  return makeRecord({
    ...{ ...made, root },
    number: nextNumber(before.versions),
    before: before.id,
    changes: countChanges(was, now),
    files: before.files - countFiles(was) + countFiles(now),
    replacedBytes: bytesOfItsOwn(was, now),
  });
}

async function swap(
  context: StoreContext,
  live: string,
  { staging, root }: { staging: string; root: bigint },
): Promise<void> {
  const ready = join(staging, READY);
  if (await context.exchanger.exchange(ready, live)) return;
  // The helper may have died after it did its work.
  if (lstatSync(live, { bigint: true }).ino === root) return;
  renameSync(live, join(staging, OLD));
  step("commit.gap");
  try {
    renameSync(ready, live);
  } catch (error) {
    renameSync(join(staging, OLD), live);
    throw error;
  }
}

interface Settlement extends Pick<Staged, "record" | "delta" | "written"> {
  dirName: string;
  staging: string;
  durable: boolean;
  before: Before | null;
  /** Made by this very replacement: what lies in its folders is known. */
  isOurs: boolean;
}

/**
 * After the exchange: the old tree is brought up to the new one and is its twin, what it had more becomes the earlier version's, the
 * new version gets its name. Any of it may be done already.
 */
async function settle(context: StoreContext, change: Settlement): Promise<void> {
  const { layout, records } = context;
  const { dirName, staging, record, delta, written, durable } = change;
  const versions = versionsDir(layout, dirName);
  const hasMoved = takeOld(context, staging, twinDir(layout, dirName));
  if (hasMoved || isDirectory(twinDir(layout, dirName))) await bringUpTwin(context, change);
  step("commit.old-kept");
  let isNamed = true;
  if (record !== null) {
    const folder = join(versions, record.id);
    records.append(dirName, { id: record.id, before: record.before, delta }, durable);
    isNamed = moveWhere(join(staging, MADE), folder);
    if (isNamed && written !== null) noteVersion(folder, written);
    step("commit.versioned");
  }
  putAway(context, dirName, staging, change.isOurs && hasMoved && isNamed);
  step("commit.old-moved-away");
}

/** The old tree gets the twin's place, whichever of the two names it has; false where it is there no more. */
function takeOld({ layout, trash }: StoreContext, staging: string, twin: string): boolean {
  const take = (name: string) => moveWhere(join(staging, name), twin);
  if (take(READY) || take(OLD)) return true;
  if (![READY, OLD].some((name) => isDirectory(join(staging, name)))) return false;
  trash.discard(twin, layout.trash);
  return take(READY) || take(OLD);
}

/** The folders of a replacement that came to its end; where they are bare they serve the next one. */
function putAway({ layout, trash }: StoreContext, dirName: string, staging: string, isBare: boolean): void {
  const isEmpty = (folder: string) => isBare || namesIn(folder).length === 0;
  if (!isEmpty(staging) || keepSpare(layout, dirName, "replacement", staging) === null)
    trash.discard(staging, layout.trash);
  const folder = dirname(staging);
  if (!isEmpty(folder) || keepSpare(layout, dirName, "workspace", folder) === null) removeIfEmpty(folder);
}

async function bringUpTwin(context: StoreContext, change: Settlement): Promise<void> {
  const { layout, chownTo } = context;
  const { dirName, record, delta, durable } = change;
  using twin = openTrustedDir(twinDir(layout, dirName));
  using live = openTrustedDir(liveDir(layout, dirName));
  const before = record?.before ?? null;
  using saving =
    before === null ? null : openSaving(join(versionsDir(layout, dirName), before), (path) => delta.was.has(path));
  const isLinked = await bringUp({ live, twin }, pathsOf(delta), saving, { owner: chownTo, durable });
  if (record !== null && change.before?.isPlain && isLinked) context.twins.brought(dirName, record.id, twin.ino);
}

/** Moves what is there to where a place for it is; false where it stays, or is not there. */
function moveWhere(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) throw error;
    return false;
  }
}

/** Drops what is more than is kept, of the versions that there were and the new one. */
function prune(context: StoreContext, { dirName, before }: Replacement, record: VersionRecord | null): void {
  const { layout, records, versions, trash } = context;
  const known = before !== null && record !== null && { ids: [...before.versions, record.id] };
  const list = listVersions(versionsDir(layout, dirName), { trusting: true, ...known });
  for (const { folder } of surplus(list, versions)) {
    forgetVersion(folder);
    // Where no version is kept, nothing of one stays: its names and digests are the user's.
    const spare = versions.keep === 0 ? null : keepSpare(layout, dirName, "version", folder);
    if (spare === null) trash.discard(folder, layout.trash);
    else emptySaved(context, spare);
    step("commit.pruned");
  }
  if (versions.keep > 0) return;
  records.remove(dirName);
  trash.discard(spareFolder(layout, dirName, "version"), layout.trash);
}

/** What a version had more than the next one goes; the folder that it was in serves again, but where it may have become large or has names that are no text. */
function emptySaved({ layout, trash }: StoreContext, version: string): void {
  const saved = savedDir(version);
  const names = namesIn(saved);
  const goesToo = names.length > MAX_NAMES || names.some((name) => name.includes("\uFFFD"));
  const gone = goesToo ? [saved] : names.map((name) => join(saved, name));
  for (const path of gone) trash.discard(path, layout.trash);
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
  // Most often it is not there: one call tells, and takes it away where it is empty.
  if (removeIfEmpty(folder)) return;
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
    if (record && delta) await settle(context, { ...{ dirName, staging, record, delta }, ...OF_THE_DEAD });
    else context.trash.discard(staging, layout.trash);
    step("heal.cleared");
  }
  removeIfEmpty(folder);
}

const OF_THE_DEAD = { written: null, before: null, durable: false, isOurs: false };

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

/** False where something is in it. */
function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = errnoOf(error) ?? "";
    if (code !== "ENOENT" && !["ENOTEMPTY", "EEXIST"].includes(code)) throw error;
    return code === "ENOENT";
  }
  return true;
}
