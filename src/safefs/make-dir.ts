// A folder where there may be one already.
import { mkdirSync } from "node:fs";
import { errnoOf } from "./errors.js";

/** False where something has that name; it may be no folder. One level: what is above must be there. */
export function makeDir(path: string | Buffer, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}
