// Whether another user could get at a path, judged by modes alone: what a sandbox's uid can enter must not be found out by
// failing. Access lists are not looked at; a host that uses them is served by the launcher as well.
import { realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import type { FileOwner } from "../../model/instance.js";

const READ = 4;
const EXECUTE = 1;

/** Whether `owner` can enter every folder above `path`, after links. */
export function canReach(owner: FileOwner, path: string): boolean {
  return foldersAbove(realpathSync(path)).every((dir) => allows(owner, statSync(dir), EXECUTE));
}

/** Whether anybody could read the file or list and enter the folder itself. */
export function canBeReadByAll(path: string): boolean {
  const stat = statSync(path);
  const wanted = stat.isDirectory() ? READ | EXECUTE : READ;
  return (stat.mode & wanted) === wanted;
}

function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [...foldersAbove(above), above];
}

function allows(owner: FileOwner, { mode, uid, gid }: Stats, wanted: number): boolean {
  const shift = uid === owner.uid ? 6 : gid === owner.gid ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}
