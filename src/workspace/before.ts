// Which version the live tree is before it is replaced. Where nobody but us changed it, the newest; otherwise what was changed by hand
// becomes a version of its own, so that the state before a run can be brought back whoever made it.
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { step } from "../model/steps.js";
import type { Dir } from "../safefs/dir.js";
import { removeTree } from "../safefs/remove.js";
import type { StoreContext } from "./context.js";
import { failure } from "./failure.js";
import { versionsDir } from "./layout.js";
import type { Manifest } from "./manifest.js";
import { countChanges, countFiles, type RecordedTree, recordTree, sameTree } from "./recorded-tree.js";
import type { Before } from "./replace-live.js";
import {
  listVersions,
  makeRecord,
  namesIn,
  nextNumber,
  readFiles,
  type StoredVersion,
  writeVersion,
} from "./version-folder.js";

/** `live` was scanned and judged as `manifest`. Null where versions are off. */
export async function versionBefore(
  context: StoreContext,
  dirName: string,
  { manifest, live, durable }: { manifest: Manifest; live: Dir; durable: boolean },
): Promise<Before | null> {
  if (context.versions.keep === 0) return null;
  const versions = versionsDir(context.layout, dirName);
  const newest = listVersions(versions).at(-1);
  const known = newest === undefined ? new Map() : recordedFiles(newest);
  const tree = await recordTree(manifest, live, (path) => known.get(path));
  if (newest !== undefined && newest.tree === null && sameTree(known, tree)) return { id: newest.record.id, tree };
  return { id: await recordByHand(context, dirName, { live, known, tree, durable }), tree };
}

/** A record that cannot be read knows no file: then each is read. */
function recordedFiles({ folder }: StoredVersion): RecordedTree {
  try {
    return readFiles(folder);
  } catch {
    return new Map();
  }
}

async function recordByHand(
  context: StoreContext,
  dirName: string,
  found: { live: Dir; known: RecordedTree; tree: RecordedTree; durable: boolean },
): Promise<string> {
  const { layout, instance } = context;
  const versions = versionsDir(layout, dirName);
  const isFirst = namesIn(versions).length === 0;
  const kind = isFirst ? "start" : "hand";
  const record = makeRecord({
    ...{ kind, mark: kind, before: null, root: found.live.ino, replacedBytes: 0 },
    number: isFirst ? 0 : nextNumber(versions),
    changes: countChanges(found.known, found.tree),
    files: countFiles(found.tree),
  });
  const staging = join(layout.staging, dirName);
  const fresh = join(staging, `${instance.id}.by-hand`);
  try {
    for (const folder of [staging, versions]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    await removeTree(fresh);
    writeVersion(fresh, record, found.tree, found.durable);
    renameSync(fresh, join(versions, record.id));
  } catch (error) {
    await removeTree(fresh).catch(() => undefined);
    throw failure(error, "The workspace is as it was before: its state cannot be recorded");
  }
  step("commit.before-recorded");
  return record.id;
}
