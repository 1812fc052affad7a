// The live tree of a workspace: `<user dir>/out`, always a real directory of its own.
import { chownSync, lstatSync } from "node:fs";
import { dirname } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { SafeFsError } from "../safefs/errors.js";
import { makeDir } from "../safefs/make-dir.js";

/** Throws where something else is in its place. */
function ensureLive(live: string, owner: FileOwner | null): void {
  for (const path of [dirname(live), live]) {
    if (isDirectory(path)) continue;
    if (makeDir(path, 0o755) && owner) chownSync(path, owner.uid, owner.gid);
    if (isDirectory(path)) continue;
    throw new IsoError("config_invalid", `"${path}" should be a folder of the workspace, but is something else.`, {
      hint: "Move it away; a link to a folder elsewhere is not followed.",
    });
  }
}

/** Opens the live folder, made where it is absent. The folder above it is no link, and neither is itself. */
export function openLive(live: string, owner: FileOwner | null): Dir {
  try {
    if (isDirectory(dirname(live))) return openTrustedDir(live);
  } catch (error) {
    if (!(error instanceof SafeFsError) || !["missing", "link", "not_directory"].includes(error.reason)) throw error;
  }
  ensureLive(live, owner);
  return openTrustedDir(live);
}

export function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
