// Folders of our own state that have done their work and serve the next commit of the same workspace: a rename takes a tenth of the time
// that making and removing one takes, where the file system looks for inodes that were freed lately, or tells the disk of each freed block.
// Only the holder of the workspace's lock comes here.
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf } from "../safefs/errors.js";
import type { Layout } from "./layout.js";
import { isDirectory } from "./live.js";
import { makeOwnFolder } from "./own-folder.js";

/** What each was: the two folders of a replacement, empty, and a version's, with its files in it. */
export type SpareName = "workspace" | "replacement" | "version";

export const spareFolder = ({ spareFolders }: Layout, dirName: string, name: SpareName): string =>
  join(spareFolders, dirName, name);

/** Makes the folder `target` where it is absent, of a spare one where there is one. */
export function takeSpare(layout: Layout, dirName: string, name: SpareName, target: string): void {
  try {
    // In the place of one that is there and empty, too.
    renameSync(spareFolder(layout, dirName, name), target);
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes(errnoOf(error) ?? "")) return;
    if (errnoOf(error) !== "ENOENT") throw error;
    makeOwnFolder(target);
  }
}

/** Takes a folder out of its place, and says where it is; null where it stays there, as there is a spare one already. */
export function keepSpare(layout: Layout, dirName: string, name: SpareName, folder: string): string | null {
  const target = spareFolder(layout, dirName, name);
  for (;;) {
    try {
      renameSync(folder, target);
      return target;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || !isDirectory(folder)) return null;
      if (isDirectory(dirname(target))) return null;
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    }
  }
}
