// The state a live tree is in before it is replaced: its twin is made what it is, and what was changed by hand since the newest version
// becomes a version of its own, so that the state before a run can be brought back whoever made it.
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import { step } from "../model/steps.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { makeDir } from "../safefs/make-dir.js";
import { removeTree } from "../safefs/remove.js";
import type { StoreContext } from "./context.js";
import { type Delta, deltaOf } from "./delta.js";
import { failure } from "./failure.js";
import { judgeKept } from "./kept.js";
import { liveDir, twinDir, versionsDir } from "./layout.js";
import { isDirectory, openLive } from "./live.js";
import { type Manifest, scan, shownPath } from "./manifest.js";
import { makeOwnFolder } from "./own-folder.js";
import type { Known } from "./record-log.js";
import { bytesOfItsOwn, countChanges, countFiles, type RecordedTree, recordTree } from "./recorded-tree.js";
import { bringUp, differences, isPlainLive, type Saving, settleKept } from "./twin.js";
import { idsIn, makeRecord, newestVersion, nextNumber, readDeltaIn, savedDir, writeVersion } from "./version-folder.js";

/** The version that is live before a replacement, and what it holds; its twin stands in its place. */
export interface Before extends Known {
  /** Ids of all versions that there are, the first one first. */
  readonly versions: readonly string[];
  /** The live tree was looked at, and is this version and nothing else. */
  readonly isPlain: boolean;
}

interface Settling {
  context: StoreContext;
  dirName: string;
  durable: boolean;
  live: Dir;
  manifest: Manifest;
  /** What the record says. */
  known: Known | null;
  versions: string[];
}

/** Smaller trees are looked at sooner than they are watched. */
const MIN_WATCHED_ENTRIES = 100;

/** Under the workspace's lock. Null where versions are off. A tree nobody touched since the last time is not looked at. */
export async function settleBefore(context: StoreContext, dirName: string, durable: boolean): Promise<Before | null> {
  const { layout, records, settled, versions } = context;
  const path = liveDir(layout, dirName);
  using live = openLive(path, context.chownTo);
  const paths = { live: path, twin: twinDir(layout, dirName) };
  const known = versions.keep === 0 ? null : records.get(dirName);
  const ids = versions.keep === 0 ? [] : idsIn(versionsDir(layout, dirName));
  if (await settled.has(dirName, paths, known?.id ?? null)) {
    if (known === null) return null;
    if (known.id === ids.at(-1)) return { ...known, versions: ids, isPlain: false };
  }
  let manifest = await scanLive(live);
  const isWatched = manifest.size.entries >= MIN_WATCHED_ENTRIES && (await settled.beforeLook(dirName, path));
  if (isWatched) manifest = await scanLive(live);
  const before = await look({ context, dirName, durable, live, manifest, known, versions: ids });
  if (isWatched) await settled.looked(dirName, paths, before?.id ?? null);
  return before;
}

async function look(settling: Settling): Promise<Before | null> {
  const { context, dirName, durable, live, versions } = settling;
  if (context.versions.keep === 0) {
    await settleTwin(settling, null);
    return null;
  }
  const known = await catchUp(settling);
  const tree = await recordTree(settling.manifest, live, (at) => known?.tree.get(at));
  const delta = known && deltaOf(known.tree, tree);
  const newest = newestVersion(versionsDir(context.layout, dirName), versions)?.id;
  const isRecorded = known !== null && known.id === newest && delta !== null && delta.was.size + delta.now.size === 0;
  const id = isRecorded ? known.id : await recordByHand(settling, { delta, tree });
  const isPlain = isPlainLive(settling.manifest.root, { owner: context.chownTo, durable });
  if (!isRecorded || !isSameTree(known.tree, tree)) {
    await settleTwin(settling, known);
    return { ...context.records.replace(dirName, { id, tree }, durable), versions, isPlain };
  }
  // A twin that was brought up to this very version needs no look.
  if (!isPlain || !context.twins.has(dirName, id, twinDir(context.layout, dirName))) await settleTwin(settling, known);
  return { ...known, versions, isPlain };
}

/** Down to inodes and times, by which a file need not be read again. */
function isSameTree(a: RecordedTree, b: RecordedTree): boolean {
  if (a.size !== b.size) return false;
  for (const [path, recorded] of b) if (recorded.kind === "file" && a.get(path) !== recorded) return false;
  return true;
}

/** Scanned and judged. Throws where a part of it cannot be read. */
export async function scanLive(live: Dir): Promise<Manifest> {
  const manifest = await scan(live);
  for (const { entry, leftOut } of manifest.lost) {
    throw new IsoError("internal", `The workspace's "${shownPath(entry).path}" cannot be read: ${leftOut}.`, {
      hint: "Give this account permission to read it, or move it away.",
    });
  }
  judgeKept(manifest);
  return manifest;
}

/**
 * What the newest version holds. Where a process died after its tree was placed and before the record said so, the twin and the record
 * are those of the version before. Null where there is no record, or what came after it is not known.
 */
async function catchUp(settling: Settling): Promise<Known | null> {
  const { context, dirName, durable, known, versions } = settling;
  if (known === null) return null;
  const since = versions.filter((id) => id > known.id);
  if (since.length === 0) return known;
  await settleTwin(settling, known);
  const folder = versionsDir(context.layout, dirName);
  const deltas = since.map((id) => readDeltaIn(join(folder, id), id));
  for (const [at, id] of since.entries()) {
    const delta = deltas[at];
    if (!delta) return null;
    context.records.append(dirName, { id, before: since[at - 1] ?? known.id, delta }, durable);
  }
  return context.records.get(dirName);
}

/** `known` is the version whose files the twin has now: those that the live tree has no more are kept as its own. */
async function settleTwin({ context, dirName, durable, live, manifest }: Settling, known: Known | null): Promise<void> {
  const { layout } = context;
  const path = twinDir(layout, dirName);
  const manner = { owner: context.chownTo, durable };
  if (!isDirectory(path)) mkdirSync(path, { mode: 0o755 });
  using twin = openTrustedDir(path);
  const paths = differences(manifest.root, (await scan(twin)).root);
  if (known === null || paths.length === 0) await bringUp({ live, twin }, paths, null, manner);
  else {
    using saving = openSaving(join(versionsDir(layout, dirName), known.id), (at) => known.tree.has(at));
    await bringUp({ live, twin }, paths, saving, manner);
  }
  await settleKept(manifest.root, twin, manner);
}

/** Where a version's entries go that the next one has not; null where its folder is gone. */
export function openSaving(folder: string, has: (path: string) => boolean): (Saving & Disposable) | null {
  const path = savedDir(folder);
  try {
    makeDir(path, 0o700);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
  const dir = openTrustedDir(path);
  return { dir, has, [Symbol.dispose]: () => dir.close() };
}

async function recordByHand(
  { context, dirName, durable, live, versions: ids }: Settling,
  { delta, tree }: { delta: Delta | null; tree: RecordedTree },
): Promise<string> {
  const { layout, instance } = context;
  const versions = versionsDir(layout, dirName);
  const isFirst = ids.length === 0;
  const kind = isFirst ? "start" : "hand";
  const record = makeRecord({
    ...{ kind, mark: kind, before: null, root: live.ino },
    number: isFirst ? 0 : nextNumber(ids),
    changes: countChanges(delta?.was ?? new Map(), delta?.now ?? tree),
    files: countFiles(tree),
    replacedBytes: delta === null ? 0 : bytesOfItsOwn(delta.was, tree),
  });
  const staging = join(layout.staging, dirName);
  const fresh = join(staging, `${instance.id}.by-hand`);
  try {
    for (const folder of [staging, versions]) makeOwnFolder(folder);
    await removeTree(fresh);
    makeOwnFolder(fresh);
    writeVersion(fresh, record, delta, durable);
    renameSync(fresh, join(versions, record.id));
  } catch (error) {
    await removeTree(fresh).catch(() => undefined);
    throw failure(error, "The workspace is as it was before: its state cannot be recorded");
  }
  ids.push(record.id);
  step("commit.before-recorded");
  return record.id;
}
