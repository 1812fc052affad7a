// What a user's workspaces take on disk, looked at without their locks and without making anything.

import { SafeFsError, Tree } from "../safefs/tree.js";
import { failure } from "./failure.js";
import { type Layout, liveDir, locateLayout, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { decodeUserDir, isHashedDir, userDirName, type WorkspaceRef, workspaceDirName } from "./user-dir.js";
import { whoseDir } from "./user-record.js";
import { listVersions, namesIn } from "./version-folder.js";

export interface StoredBytes {
  /** Of the live files. */
  readonly files: number;
  /** What earlier versions hold for themselves. */
  readonly versions: number;
}

interface Roots {
  readonly workspaceRoot: string;
  readonly sandboxRoot: string;
}

/** The user's workspaces that there are. */
export function workspacesOf({ workspaceRoot, sandboxRoot }: Roots, userId: string): WorkspaceRef[] {
  const layout = locateLayout(workspaceRoot, sandboxRoot);
  const user = userDirName(userId);
  if (!isTheirs(layout, user, userId)) return [];
  const names = namesIn(layout.workspaceRoot).filter((name) => name === user || name.startsWith(`${user}.`));
  return names.flatMap((name) => decodeUserDir(name, () => userId) ?? []);
}

export async function storedBytes({ workspaceRoot, sandboxRoot }: Roots, ref: WorkspaceRef): Promise<StoredBytes> {
  const layout = locateLayout(workspaceRoot, sandboxRoot);
  const dir = workspaceDirName(ref);
  if (dir === null || !isTheirs(layout, userDirName(ref.userId), ref.userId)) return { files: 0, versions: 0 };
  const versions = listVersions(versionsDir(layout, dir)).reduce((sum, { record }) => sum + record.replacedBytes, 0);
  return { files: await bytesOf(liveDir(layout, dir)), versions };
}

async function bytesOf(live: string): Promise<number> {
  let bytes = 0;
  try {
    if (!isDirectory(live)) return 0;
    using tree = Tree.open(live);
    for await (const { blocks } of tree.walk()) bytes += blocks * 512;
  } catch (error) {
    // A run or a hand takes it away meanwhile: what was seen of it counts until it is looked at again.
    if (error instanceof SafeFsError && error.reason === "missing") return bytes;
    throw failure(error, "The workspace's size cannot be told");
  }
  return bytes;
}

function isTheirs(layout: Layout, user: string, userId: string): boolean {
  return !isHashedDir(user) || whoseDir(layout, user)?.userId === userId;
}
