// Commit: the run's out/ becomes the workspace's, and with that its next version.
import type { Durability } from "../model/ending.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { versionBefore } from "./before.js";
import { fileNameOf } from "./bootstrap.js";
import type { BuildPlan, Carried } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import type { SyncPlan, TreeDiff } from "./diff.js";
import { failure } from "./failure.js";
import { liveDir } from "./layout.js";
import { ensureLive } from "./live.js";
import { type Folder, isFolder, keyOf, lookUp, type Node } from "./manifest.js";
import { operatorsOwn } from "./operators-own.js";
import type { Prepared } from "./prepared.js";
import { type Before, replaceLive } from "./replace-live.js";

export interface CommitResult {
  synced: boolean;
  reason?: string;
  /** The version that the run made; null where it made none. */
  version: string | null;
}

export async function commit(
  context: StoreContext,
  prepared: Prepared,
  diff: TreeDiff,
  durability: Durability,
): Promise<CommitResult> {
  const { dirName } = prepared;
  const none = (reason: string) => ({ synced: false, reason, version: null });
  if (dirName === null) return none("the run has no workspace: nothing is kept");
  const { sync } = diff;
  if (sync === null) return none(diff.refused ?? "there is nothing to keep");
  if (!sync.differs) return { synced: true, version: null };
  try {
    const version = await replace(context, { prepared, dirName, sync, durable: durability === "disk" });
    return { synced: true, version };
  } catch (error) {
    throw failure(error, "The workspace is as it was before: the run's files cannot be taken over");
  }
}

async function replace(
  context: StoreContext,
  { prepared, dirName, sync, durable }: { prepared: Prepared; dirName: string; sync: SyncPlan; durable: boolean },
): Promise<string | null> {
  const { runId } = prepared;
  const mark = fileNameOf(runId);
  using out = openTrustedDir(prepared.out);
  const record = await replaceLive(context, {
    ...{ dirName, mark, durable },
    before: await beforeRun(context, prepared, dirName, durable),
    made: { kind: "run", mark, runId },
    plan: (live) => planOf(prepared, sync, out, live),
  });
  return record?.id ?? null;
}

async function beforeRun(
  context: StoreContext,
  { source }: Prepared,
  dirName: string,
  durable: boolean,
): Promise<Before | null> {
  if (source === null) return null;
  const path = liveDir(context.layout, dirName);
  ensureLive(path, context.chownTo);
  using live = openTrustedDir(path);
  return await versionBefore(context, dirName, { manifest: source, live, durable });
}

async function planOf(
  prepared: Prepared,
  { root, unchanged }: SyncPlan,
  source: Dir,
  live: Dir,
): Promise<Pick<BuildPlan, "root" | "source" | "reuse" | "carry">> {
  const operators = prepared.source ? await operatorsOwn(prepared.source, live) : [];
  const entries = carriedInto(root, operators);
  return { root, source, reuse: { from: live, unchanged }, carry: { from: live, entries } };
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
