// A folder of our own state, and one that a program sees.
import { chmodSync, mkdirSync } from "node:fs";
import { makeDir } from "../safefs/make-dir.js";
import { isDirectory } from "./live.js";

/** Makes it where it is absent. One level: a recursive mkdir tells of a missing folder where the file system is read-only. */
export function makeOwnFolder(path: string): void {
  if (!isDirectory(path)) makeDir(path, 0o700);
}

/** Whatever this process takes away from the modes of what it makes. */
export function makeOpenFolder(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}
