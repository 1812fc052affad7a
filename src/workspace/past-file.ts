// A file as an earlier version had it, looked at without a lock. What cannot be shown to be that file is refused, never given for it.
import { closeSync } from "node:fs";
import { IsoError } from "../model/errors.js";
import { hashContent } from "../safefs/content.js";
import { type OpenFile, openFileAt, openTrustedDir } from "../safefs/dir.js";
import { SafeFsError } from "../safefs/errors.js";
import { failure } from "./failure.js";
import { liveDir, locateLayout, recordFile, twinDir, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { keyOf } from "./manifest.js";
import { Past } from "./past.js";
import { readLog } from "./record-log.js";
import { findVersion } from "./undo.js";
import { type WorkspaceRef, workspaceDirName } from "./user-dir.js";
import { listVersions } from "./version-folder.js";
import { WorkspaceView } from "./view.js";

/** A descriptor, which is the caller's to close. Throws `not_found` where the version has no such file, or is not kept. */
export async function openPastFile(
  roots: { workspaceRoot: string; sandboxRoot: string },
  ref: WorkspaceRef,
  id: string,
  path: string,
): Promise<number> {
  // It is theirs, and there.
  WorkspaceView.open(roots, ref);
  const dirName = workspaceDirName(ref) ?? "";
  const layout = locateLayout(roots.workspaceRoot, roots.sandboxRoot);
  const versions = listVersions(versionsDir(layout, dirName));
  const version = findVersion(versions, id);
  const known = readLog(recordFile(layout, dirName));
  if (known === null || (version !== versions.at(-1) && !version.kept)) throw gone(path, "that version is not kept");
  try {
    const twin = twinDir(layout, dirName);
    using base = openTrustedDir(isDirectory(twin) ? twin : liveDir(layout, dirName));
    using past = Past.open(versionsDir(layout, dirName), base, known);
    const key = keyOf(Buffer.from(path));
    const recorded = past.treeOf(version.record.id).get(key);
    if (recorded?.kind !== "file") throw gone(path, "that version has no such file");
    const found = past.locate(version.record.id, key);
    if (found === null) throw gone(path, "it is kept nowhere any more");
    return await checked(openFileAt(found.folder, found.entry.name), recorded.sha256, path);
  } catch (error) {
    // A commit may drop what is being looked at.
    if (error instanceof SafeFsError) throw gone(path, "it went away while it was looked for");
    throw failure(error, "The version cannot be looked at");
  }
}

/** Versions share files with the live tree: an edit in place reaches them all. */
async function checked(file: OpenFile, sha256: string, path: string): Promise<number> {
  try {
    if ((await hashContent(file)) === sha256) return file.fd;
    throw new IsoError("conflict", `"${path}" was changed by hand since, and is not kept as it was.`, {
      field: "path",
    });
  } catch (error) {
    closeSync(file.fd);
    throw error;
  }
}

function gone(path: string, why: string): IsoError {
  return new IsoError("not_found", `"${path}": ${why}.`, { field: "path" });
}
