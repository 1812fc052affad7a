// A folder of our own state.
import { makeDir } from "../safefs/make-dir.js";
import { isDirectory } from "./live.js";

/** Makes it where it is absent. One level: a recursive mkdir tells of a missing folder where the file system is read-only. */
export function makeOwnFolder(path: string): void {
  if (!isDirectory(path)) makeDir(path, 0o700);
}
