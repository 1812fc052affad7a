// The live tree of a workspace: `<user dir>/out`, always a real directory of its own.
import { chownSync, lstatSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { errnoOf } from "../safefs/errors.js";

/** Makes the live folder where it is absent. Throws where something else is in its place. */
export function ensureLive(live: string, owner: FileOwner | null): void {
  for (const path of [dirname(live), live]) {
    if (isDirectory(path)) continue;
    if (makeDir(path) && owner) chownSync(path, owner.uid, owner.gid);
    if (isDirectory(path)) continue;
    throw new IsoError("config_invalid", `"${path}" should be a folder of the workspace, but is something else.`, {
      hint: "Move it away; a link to a folder elsewhere is not followed.",
    });
  }
}

export function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function makeDir(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o755 });
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}
