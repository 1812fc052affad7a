// A folder of our own state.
import { mkdirSync } from "node:fs";
import { errnoOf } from "../safefs/errors.js";
import { isDirectory } from "./live.js";

/** Makes it where it is absent. One level: a recursive mkdir tells of a missing folder where the file system is read-only. */
export function makeOwnFolder(path: string): void {
  if (isDirectory(path)) return;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}
