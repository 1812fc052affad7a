// The ids of users whose folder is named by a hash: recorded once, so that the folder tells its user again, and compared on
// each use, so that no two ids ever share one.
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { Layout } from "./layout.js";
import { readIfPresent, readOrCreate } from "./small-file.js";
import { decodeUserDir, isHashedDir, userDirName, type WorkspaceRef, workspaceDirName } from "./user-dir.js";

/** The folder name of a workspace, with its user recorded where the name alone does not tell; null for the workspace null. */
export function claimWorkspaceDir(layout: Layout, ref: WorkspaceRef): string | null {
  const dir = workspaceDirName(ref);
  const user = userDirName(ref.userId);
  if (dir === null || !isHashedDir(user)) return dir;
  if (readOrCreate(join(layout.users, user), () => ref.userId) === ref.userId) return dir;
  throw new IsoError("internal", `The folder "${user}" belongs to another user id.`);
}

/** Which user and workspace a folder of the workspace root belongs to; null where it is nobody's. */
export function whoseDir(layout: Layout, dir: string): WorkspaceRef | null {
  return decodeUserDir(dir, (user) => readIfPresent(join(layout.users, user)));
}
