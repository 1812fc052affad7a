// Commit: the run's out/ becomes the workspace's, whole or not at all. The new tree is built aside and exchanged with the
// live one in one step; docs/workspace.md names what a crash leaves at each point and what heals it.
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Durability } from "../model/ending.js";
import { openTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { removeTree } from "../safefs/remove.js";
import { fileNameOf } from "./bootstrap.js";
import { buildTree, type Carried } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import type { SyncPlan, TreeDiff } from "./diff.js";
import { failure } from "./failure.js";
import { liveDir } from "./layout.js";
import { ensureLive, isDirectory } from "./live.js";
import { type Folder, isFolder, keyOf, lookUp, type Node } from "./manifest.js";
import { operatorsOwn } from "./operators-own.js";
import type { Prepared } from "./prepared.js";

/** Names in the folder of one commit. */
const NEW = "new";
/** A whole tree that may become the live one; after an exchange, the old one. */
const READY = "ready";
const OLD = "old";
const LINKS = "links";

export interface CommitResult {
  synced: boolean;
  reason?: string;
}

export async function commit(
  context: StoreContext,
  prepared: Prepared,
  diff: TreeDiff,
  durability: Durability,
): Promise<CommitResult> {
  const { dirName } = prepared;
  if (dirName === null) return { synced: false, reason: "the run has no workspace: nothing is kept" };
  if (diff.sync === null) return { synced: false, reason: diff.refused ?? "there is nothing to keep" };
  if (!diff.sync.differs) return { synced: true };
  const { layout, instance, step } = context;
  const live = liveDir(layout, dirName);
  const staging = join(layout.staging, dirName, `${instance.id}.${fileNameOf(prepared.runId)}`);
  try {
    await stage(context, { prepared, plan: diff.sync, live, staging, durable: durability === "disk" });
    await swap(context, live, staging);
  } catch (error) {
    if (isDirectory(live)) await removeTree(staging).catch(() => undefined);
    removeIfEmpty(dirname(staging));
    throw failure(error, "The workspace is as it was before: its new files cannot be put in place");
  }
  step("commit.placed");
  if (durability === "disk") makeLasting([dirname(live), staging]);
  context.trash.discard(staging, layout.trash);
  removeIfEmpty(dirname(staging));
  step("commit.old-moved-away");
  return { synced: true };
}

interface Stage {
  prepared: Prepared;
  plan: SyncPlan;
  live: string;
  staging: string;
  durable: boolean;
}

/** Builds the new tree and gives it the name by which recovery knows that it is whole. */
async function stage(context: StoreContext, planned: Stage): Promise<void> {
  const { live, staging, durable } = planned;
  ensureLive(live, context.chownTo);
  await removeTree(staging);
  const fresh = join(staging, NEW);
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  context.step("commit.begun");
  await build(context, planned);
  context.step("commit.built");
  renameSync(fresh, join(staging, READY));
  if (durable) for (const path of [staging, dirname(staging), dirname(dirname(staging))]) syncDir(path);
  context.step("commit.ready");
}

async function build(context: StoreContext, { prepared, plan, live, staging, durable }: Stage): Promise<void> {
  using source = openTrustedDir(prepared.out);
  using target = openTrustedDir(join(staging, NEW));
  using workspace = openTrustedDir(live);
  const operators = prepared.source ? await operatorsOwn(prepared.source, workspace) : [];
  const reuse = { live: workspace, unchanged: plan.unchanged, carried: carriedInto(plan.root, operators) };
  const links = join(staging, LINKS);
  await buildTree({ root: plan.root, source, target, links, owner: context.chownTo, durable, reuse });
}

async function swap(context: StoreContext, live: string, staging: string): Promise<void> {
  const ready = join(staging, READY);
  const { ino } = lstatSync(ready, { bigint: true });
  if (await context.exchanger.exchange(ready, live)) return;
  // The helper may have died after it did its work.
  if (lstatSync(live, { bigint: true }).ino === ino) return;
  renameSync(live, join(staging, OLD));
  context.step("commit.gap");
  try {
    renameSync(ready, live);
  } catch (error) {
    renameSync(join(staging, OLD), live);
    throw error;
  }
}

/** Writes the exchange itself through to the disk. */
function makeLasting(dirs: string[]): void {
  try {
    for (const path of dirs) syncDir(path);
  } catch (error) {
    throw failure(error, "The workspace has its new files, but they may not survive a loss of power");
  }
}

/** Where the operator's own entries go in the new tree: the folders that are still there and hold nothing of that name. */
function carriedInto(root: Folder, operators: readonly Node[]): Carried {
  const carried = new Map<Folder, Node[]>();
  for (const node of operators) {
    const above = node.parent.node;
    const place = above === null ? root : lookUp(root, above.entry.path);
    if (place === null || ("leftOut" in place && place.leftOut !== null) || place.children === null) continue;
    const folder: Folder = "entry" in place && isFolder(place) ? place : root;
    const taken = folder.children.get(keyOf(node.entry.name));
    if (taken !== undefined && taken.leftOut === null) continue;
    carried.set(folder, [...(carried.get(folder) ?? []), node]);
  }
  return carried;
}

/**
 * Under the workspace's lock, before anything else: brings a commit that died to its end or takes it back. Whatever lies in
 * the workspace's staging folder then is a dead one's, for only the holder of the lock puts anything there.
 */
export function healCommits(context: StoreContext, dirName: string): void {
  const { layout } = context;
  const folder = join(layout.staging, dirName);
  const live = liveDir(layout, dirName);
  for (const name of namesIn(folder)) {
    const staging = join(folder, name);
    for (const whole of [READY, OLD]) {
      if (isDirectory(live) || !isDirectory(join(staging, whole))) continue;
      mkdirSync(dirname(live), { recursive: true, mode: 0o755 });
      renameSync(join(staging, whole), live);
      context.step("heal.placed");
    }
    context.trash.discard(staging, layout.trash);
    context.step("heal.cleared");
  }
  removeIfEmpty(folder);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
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
