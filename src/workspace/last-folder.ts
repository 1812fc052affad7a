// What of the last run's sandbox folder serves the next run of the same workspace: only what no program could leave a mark on, and what
// the host writes over. Some file systems take ten times as long to give out a new inode as to rename one.
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type Dir, openDirAt, openTrustedDir } from "../safefs/dir.js";
import { statAt, type TreeEntry } from "../safefs/entry.js";
import { errnoOf, SafeFsError } from "../safefs/errors.js";
import { MAIN_FILE, RESERVED_DIR } from "./layout.js";

export const WORK_MODE_OF_ROOT = 0o1777;
const OWN_UID = process.geteuid?.();
const LOGS = ["user.log", "infra.log"];
/** A folder that held many names stays large after they are gone, which the next program would see. */
const MAX_FOLDER_BYTES = 4 * 1024;

/**
 * Moves the folder of the last run's logs to `target`, where others are written over them. False where there is none that is ours alone. Only
 * where the host is root: a program of our own user could have put them there, had its run's host died before it did.
 */
export function takeLogs(dir: string, target: string): boolean {
  return where(() => {
    using out = openTrustedDir(join(dir, "out"));
    const name = Buffer.from(RESERVED_DIR);
    using logs = openDirAt(out, name);
    if (!holdsOwnFiles(logs, LOGS)) return false;
    renameSync(out.child(name), target);
    return true;
  });
}

/**
 * Moves the sandbox folder to `target`, with a `work/` that is empty but for the snippet. Its `out/`, and all of it where it cannot serve
 * again, is given to `discard`; false then. Only where the host is root: its programs have users of their own, who can neither rename what
 * is root's nor give it owners, permissions or attributes.
 */
export function takeFolder(dir: string, target: string, discard: (path: string) => void): boolean {
  try {
    renameSync(dir, target);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  const serves = where(() => {
    using folder = openTrustedDir(target);
    const others = readdirSync(folder.base).filter((other) => other !== "out" && other !== "work");
    using work = openDirAt(folder, Buffer.from("work"));
    return others.length === 0 && modeOf(work) === WORK_MODE_OF_ROOT && holdsOwnFiles(work, [MAIN_FILE]);
  });
  discard(serves ? join(target, "out") : target);
  return serves;
}

const modeOf = ({ stats }: Dir): number => Number(stats.mode & 0o7777n);

/** Whether the folder is ours, and holds nothing but files of ours of these names. */
function holdsOwnFiles(folder: Dir, files: readonly string[]): boolean {
  if (Number(folder.stats.uid) !== OWN_UID || folder.stats.size > MAX_FOLDER_BYTES) return false;
  return readdirSync(folder.base).every((file) => files.includes(file) && isOwnFile(statAt(folder, Buffer.from(file))));
}

const isOwnFile = (entry: TreeEntry | null): boolean =>
  entry?.kind === "file" && entry.uid === OWN_UID && entry.nlink === 1;

/** What is not as we left it serves nobody. */
function where(serves: () => boolean): boolean {
  try {
    return serves();
  } catch (error) {
    if (error instanceof SafeFsError || errnoOf(error) !== undefined) return false;
    throw error;
  }
}
