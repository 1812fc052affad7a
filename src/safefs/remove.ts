// Removing trees that may hold anything: any depth, any mode, links removed and never followed.

import { rmdirSync, unlinkSync } from "node:fs";
import { rmdir, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { type Dir, openDirAt, openTrustedDir } from "./dir.js";
import { statAt, type TreeEntry } from "./entry.js";
import { errnoOf, SafeFsError } from "./errors.js";
import { pacer } from "./pace.js";
import { traverse } from "./walk.js";

/** Rounds without any progress for a directory that somebody still fills, or moves about, while it is emptied. */
const ROUNDS = 5;
/** Rounds in all: somebody who fills it for ever is not waited for. */
const MAX_ROUNDS = 2_000;
/** Names of one directory that are held at a time: a million of them costs as little memory as this. */
const NAMES_AT_A_TIME = 20_000;

/** How one entry is removed: at once, or by another thread, as some disks are told of each block that is freed, and are waited for. */
interface Means {
  file(path: Buffer): Promise<void> | void;
  dir(path: Buffer): Promise<void> | void;
}
const AT_ONCE: Means = { file: unlinkSync, dir: rmdirSync };
/** For what nobody waits for. */
export const ASIDE: Means = { file: unlink, dir: rmdir };

/** Removes a folder of ours with all it holds. Absent is fine. Only the folder above must be trusted. */
export async function removeTree(path: string): Promise<void> {
  let parent: Dir;
  try {
    parent = openTrustedDir(dirname(path));
  } catch (error) {
    if (error instanceof SafeFsError && error.reason === "missing") return;
    throw error;
  }
  try {
    await removeAt(parent, Buffer.from(basename(path)));
  } finally {
    parent.close();
  }
}

/** Removes the entry `name` of an open directory with all below it; `seen` where it was looked at just before. */
export async function removeAt(
  parent: Dir,
  name: Buffer,
  means: Means = AT_ONCE,
  seen: TreeEntry | null = null,
): Promise<void> {
  for (let round = 1, fruitless = 0; ; round += 1) {
    const entry = round === 1 && seen !== null ? seen : statAt(parent, name);
    if (entry === null) return;
    const progress = { removed: 0 };
    try {
      if (entry.kind !== "dir") return await means.file(parent.child(name));
      await emptyDir(parent, name, means, progress);
      return await means.dir(parent.child(name));
    } catch (error) {
      // Somebody else took part of it away: look again, for that is no failure.
      if (errnoOf(error) === "ENOENT" && statAt(parent, name) === null) return;
      fruitless = progress.removed > 0 ? 0 : fruitless + 1;
      if (fruitless === ROUNDS || round === MAX_ROUNDS)
        throw new SafeFsError("io", `cannot remove an entry: ${messageOf(error)}`, error);
    }
  }
}

async function emptyDir(parent: Dir, name: Buffer, means: Means, progress: { removed: number }): Promise<void> {
  const pause = pacer();
  using dir = openDirAt(parent, name);
  for (const step of traverse(dir, NAMES_AT_A_TIME)) {
    await pause();
    if (step.type === "lost") throw step.error;
    if (step.type === "leave") await means.dir(step.dir.child(step.entry.name));
    else if (step.entry.kind !== "dir") await means.file(step.dir.child(step.entry.name));
    else continue;
    progress.removed += 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
