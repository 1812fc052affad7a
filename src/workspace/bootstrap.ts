// Bootstrap: a fresh sandbox folder with an empty work/ and a copy of the workspace's out/. It is built aside and put in
// place by a rename, so that a run never sees half of it. What the host alone had of the last one serves again.
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { step } from "../model/steps.js";
import { openTrustedDir } from "../safefs/dir.js";
import { removeTree } from "../safefs/remove.js";
import { buildTree } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import { failure } from "./failure.js";
import { judgeKept } from "./kept.js";
import { isPlain, MIN_COPY_ENTRIES } from "./kept-copy.js";
import { takeFolder, takeLogs, WORK_MODE_OF_ROOT } from "./last-folder.js";
import { liveDir, sandboxDir, twinDir } from "./layout.js";
import { isDirectory, openLive } from "./live.js";
import { type Manifest, scan, shownPath } from "./manifest.js";
import { makeOpenFolder } from "./own-folder.js";
import type { Prepared } from "./prepared.js";
import { userDirName } from "./user-dir.js";

export async function bootstrap(
  context: StoreContext,
  workspace: { userId: string; dirName: string | null },
  { runId, owner }: { runId: string; owner: FileOwner | Promise<FileOwner> },
): Promise<Prepared> {
  const { layout, instance } = context;
  const { dirName } = workspace;
  // Two users may have chosen the same run id: the random part keeps their folders apart.
  const mark = `${instance.id}.${fileNameOf(runId)}.${randomBytes(8).toString("hex")}`;
  const building = join(layout.building, mark);
  const out = `${building}.out`;
  const logs = join(layout.slots, `${mark}.logs`);
  const dir = dirName === null ? join(layout.runs, mark) : sandboxDir(layout, dirName);
  try {
    const made =
      (await reuse(context, { out, logs }, { dirName, owner })) ?? (await fill(context, out, { dirName, owner }));
    step("bootstrap.built");
    const hasLogs = (context.chownTo !== null && takeLogs(dir, logs)) || isDirectory(logs);
    if (!hasLogs) mkdirSync(logs, { mode: 0o700 });
    makeFolders(context, dir, building);
    step("bootstrap.old-moved-away");
    renameSync(out, join(building, "out"));
    renameSync(building, dir);
    step("bootstrap.placed");
    return {
      ...{ dir, out: join(dir, "out"), work: join(dir, "work"), logs, runId, dirName, ...made },
      owner: context.chownTo === null ? context.owner : await owner,
      workspaceDir: join(layout.workspaceRoot, dirName ?? userDirName(workspace.userId)),
      size: sizeWith(made.baseline, dir),
    };
  } catch (error) {
    for (const path of [building, out, linksOf(out), logs]) await removeTree(path).catch(() => undefined);
    throw failure(error, "The workspace cannot be copied into the sandbox folder");
  }
}

/** Of files with several names, while a copy is built. */
const linksOf = (out: string): string => `${out}.links`;

type Made = Pick<Prepared, "baseline" | "source" | "copy">;

/** The copy that the last run had, where nobody touched the workspace or the copy since; null where there is none. */
async function reuse(
  context: StoreContext,
  to: { out: string; logs: string },
  { dirName, owner }: Filling,
): Promise<Made | null> {
  if (dirName === null) return null;
  const { copies, layout } = context;
  const live = liveDir(layout, dirName);
  const generation = await untouched(context, dirName);
  if (generation === null) return null;
  const out = join(sandboxDir(layout, dirName), "out");
  const copy = await copies.take(dirName, { out, generation });
  if (copy === null) return null;
  if (context.chownTo !== null) takeLogs(dirname(out), to.logs);
  renameSync(out, to.out);
  using source = openTrustedDir(live);
  const whose = context.chownTo ? await owner : context.owner;
  if (await copies.repair(copy, to.out, source, whose)) {
    // What was done to it until here was ours.
    await copies.delivering(copy);
    return { baseline: copy.manifest, source: null, copy };
  }
  await copies.forget(dirName);
  await removeTree(to.out);
  return null;
}

interface Filling {
  dirName: string | null;
  owner: FileOwner | Promise<FileOwner>;
}

/** All but out/, in the place of the last run's folder at `dir`. */
function makeFolders({ chownTo, layout, trash }: StoreContext, dir: string, building: string): void {
  const discard = (path: string) => trash.discard(path, layout.sandboxTrash);
  if (chownTo === null) discard(dir);
  else if (takeFolder(dir, building, discard)) return;
  const work = join(building, "work");
  for (const path of [building, work]) makeOpenFolder(path);
  // On a root host work/ stays root's, and sticky: the program can add files to it but not replace the snippet in it.
  if (chownTo !== null) chmodSync(work, WORK_MODE_OF_ROOT);
}

async function fill(context: StoreContext, out: string, filling: Filling): Promise<Made> {
  const { source, built } = await copyLive(context, filling, { out, links: linksOf(out) });
  const { dirName, owner } = filling;
  const generation =
    dirName !== null && source !== null && source.size.entries >= MIN_COPY_ENTRIES
      ? await untouched(context, dirName)
      : null;
  const isWatched = dirName !== null && generation !== null && (await context.copies.beforeLook(dirName, out));
  // What is watched is looked at from then on.
  const baseline = isWatched || built === null ? await scanOf(out) : built;
  if (!isWatched || !isPlain(baseline)) return { baseline, source, copy: null };
  const { ino } = lstatSync(out, { bigint: true });
  const whose = context.chownTo ? await owner : context.owner;
  const copy = { dirName, ino, owner: whose, manifest: baseline, generation, repair: new Set<string>() };
  return { baseline, source, copy };
}

/** Which state of the live tree it was that was copied; null where somebody may have touched it meanwhile. */
async function untouched(context: StoreContext, dirName: string): Promise<number | null> {
  const { layout, records, settled, versions } = context;
  if (settled.generation(dirName) === null) return null;
  const known = versions.keep === 0 ? null : records.get(dirName);
  const paths = { live: liveDir(layout, dirName), twin: twinDir(layout, dirName) };
  return (await settled.has(dirName, paths, known?.id ?? null)) ? settled.generation(dirName) : null;
}

/** Copies the workspace's out/ and returns what it held, `leftOut` marks what of it stays behind, and what the copy holds. */
async function copyLive(
  context: StoreContext,
  { dirName, owner: programs }: Filling,
  to: { out: string; links: string },
): Promise<{ source: Manifest | null; built: Manifest | null }> {
  const { chownTo, layout } = context;
  if (dirName === null) {
    makeOpenFolder(to.out);
    const owner = chownTo && (await programs);
    if (owner) chownSync(to.out, owner.uid, owner.gid);
    return { source: null, built: null };
  }
  using source = openLive(liveDir(layout, dirName), chownTo);
  const manifest = await scan(source);
  for (const node of manifest.lost) {
    throw new IsoError("internal", `The workspace's "${shownPath(node.entry).path}" cannot be read: ${node.leftOut}.`, {
      hint: "Give this account permission to read it, or move it away.",
    });
  }
  judgeKept(manifest);
  // Known as late as this where the sandbox is still booting.
  const owner = chownTo && (await programs);
  const ahead = await context.ahead.take(dirName, { live: manifest, dir: source }, owner, to.out);
  if (ahead !== null) return { source: manifest, built: ahead };
  makeOpenFolder(to.out);
  using target = openTrustedDir(to.out);
  const built = await buildTree({ root: manifest.root, source, target, links: to.links, owner });
  return { source: manifest, built };
}

async function scanOf(path: string): Promise<Manifest> {
  using dir = openTrustedDir(path);
  return await scan(dir);
}

function sizeWith(baseline: Manifest, dir: string): { bytes: number; entries: number } {
  const own = [join(dir, "out"), join(dir, "work")];
  const bytes = own.reduce((sum, path) => sum + lstatSync(path).blocks * 512, baseline.size.bytes);
  return { bytes, entries: baseline.size.entries + own.length };
}

/** A run id as part of a file name; one that could not be is hashed. */
export function fileNameOf(runId: string): string {
  return /^[A-Za-z0-9_-]{1,64}$/.test(runId) ? runId : createHash("sha256").update(runId).digest("hex");
}
