// Commit: the run's out/ becomes the workspace's, and with that its next version.
import type { Durability } from "../model/ending.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import type { Coming } from "./apply-changes.js";
import { settleBefore } from "./before.js";
import { fileNameOf } from "./bootstrap.js";
import type { StoreContext } from "./context.js";
import type { SyncPlan, TreeDiff } from "./diff.js";
import { failure } from "./failure.js";
import { isFolder, type Node } from "./manifest.js";
import type { Prepared } from "./prepared.js";
import { replaceLive } from "./replace-live.js";

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
  if (sync.changed.size === 0) return { synced: true, version: null };
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
  const changes = [...sync.changed].map(([path, node]) => ({ path, coming: node && comingOf(node, out) }));
  const { settled, copies } = context;
  const before = await settleBefore(context, dirName, durable);
  const generation = settled.generation(dirName);
  const record = await replaceLive(context, {
    ...{ dirName, mark, durable, before },
    made: { kind: "run", mark, runId },
    plan: { changes, folderTime: sync.folderTime },
  });
  copies.committed(dirName, generation, settled.generation(dirName));
  return record?.id ?? null;
}

function comingOf(node: Node, out: Dir): Coming {
  const { entry, target } = node;
  if (isFolder(node)) return { kind: "dir" };
  if (target !== null) return { kind: "link", target, mtimeNs: entry.mtimeNs };
  return { kind: "file", from: out, entry, by: "copy" };
}
