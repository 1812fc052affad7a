// Writes the names in folders of our own through to the disk.
import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { isDirectory } from "./live.js";

/** Those that are not there are passed over. */
export function syncFolders(paths: readonly string[]): void {
  for (const path of paths) {
    if (!isDirectory(path)) continue;
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}
