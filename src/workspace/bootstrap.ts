// Bootstrap: a fresh sandbox folder with an empty work/ and a copy of the workspace's out/. It is built aside and put in
// place by a rename, so that a run never sees half of it.
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { step } from "../model/steps.js";
import { openTrustedDir } from "../safefs/dir.js";
import { removeTree } from "../safefs/remove.js";
import { buildTree } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import { failure } from "./failure.js";
import { judgeKept } from "./kept.js";
import { liveDir, sandboxDir } from "./layout.js";
import { ensureLive } from "./live.js";
import { type Manifest, scan, shownPath } from "./manifest.js";
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
  try {
    const source = await fill(context, building, { dirName, owner });
    step("bootstrap.built");
    const baseline = await scanOf(join(building, "out"));
    const dir = dirName === null ? join(layout.runs, mark) : sandboxDir(layout, dirName);
    context.trash.discard(dir, layout.sandboxTrash);
    step("bootstrap.old-moved-away");
    renameSync(building, dir);
    step("bootstrap.placed");
    return {
      ...{ dir, out: join(dir, "out"), work: join(dir, "work"), runId, dirName, baseline, source },
      owner: context.chownTo === null ? context.owner : await owner,
      workspaceDir: join(layout.workspaceRoot, dirName ?? userDirName(workspace.userId)),
      size: sizeWith(baseline, dir),
    };
  } catch (error) {
    await removeTree(building).catch(() => undefined);
    throw failure(error, "The workspace cannot be copied into the sandbox folder");
  }
}

interface Filling {
  dirName: string | null;
  owner: FileOwner | Promise<FileOwner>;
}

async function fill(context: StoreContext, building: string, filling: Filling): Promise<Manifest | null> {
  const out = join(building, "out");
  const work = join(building, "work");
  for (const path of [building, out, work]) {
    mkdirSync(path);
    chmodSync(path, 0o755);
  }
  // On a root host work/ stays root's, and sticky: the program can add files to it but not replace the snippet in it.
  if (context.chownTo) chmodSync(work, 0o1777);
  return await copyLive(context, filling, { out, links: join(building, "links") });
}

/** Copies the workspace's out/ and returns what it held; `leftOut` marks what of it stays behind. */
async function copyLive(
  context: StoreContext,
  { dirName, owner: programs }: Filling,
  to: { out: string; links: string },
): Promise<Manifest | null> {
  const { chownTo, layout } = context;
  if (dirName === null) {
    const owner = chownTo && (await programs);
    if (owner) chownSync(to.out, owner.uid, owner.gid);
    return null;
  }
  const live = liveDir(layout, dirName);
  ensureLive(live, chownTo);
  using target = openTrustedDir(to.out);
  using source = openTrustedDir(live);
  const manifest = await scan(source);
  for (const node of manifest.lost) {
    throw new IsoError("internal", `The workspace's "${shownPath(node.entry).path}" cannot be read: ${node.leftOut}.`, {
      hint: "Give this account permission to read it, or move it away.",
    });
  }
  judgeKept(manifest);
  // Known as late as this where the sandbox is still booting.
  const owner = chownTo && (await programs);
  await buildTree({ root: manifest.root, source, target, links: to.links, owner, durable: false });
  return manifest;
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
