// A workspace as it is looked at, without its lock and without making anything: its files, its versions, and what differs between them.
// A run may replace the tree meanwhile; what was opened stays whole.
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import type { Version } from "../model/versions.js";
import { displayPath } from "../safefs/display-path.js";
import { type EntryKind, type RelPath, SafeFsError, Tree } from "../safefs/tree.js";
import { failure } from "./failure.js";
import { judgeKept } from "./kept.js";
import { liveDir, locateLayout, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { scan, shownPath } from "./manifest.js";
import { recordTree, sameTree } from "./recorded-tree.js";
import { unnamedVersion } from "./replace-live.js";
import { findVersion } from "./undo.js";
import { isHashedDir, type WorkspaceRef, workspaceDirName } from "./user-dir.js";
import { whoseDir } from "./user-record.js";
import { diffTreesOf, type TreeDifference } from "./version-diff.js";
import { listVersions, readFiles, type StoredVersion, type VersionRecord } from "./version-folder.js";

export interface ListedFile extends FilePath {
  kind: Exclude<EntryKind, "dir">;
  bytes: number;
}

export interface HistoryView {
  /** Newest first. */
  versions: Version[];
  /** True where the live tree is not what the newest version made: somebody changed it by hand since. */
  changedByHand: boolean;
}

/** A state to compare: an earlier version, or the live tree as it is now. */
export interface ComparedVersion {
  id: string | null;
  number: number | null;
  live: boolean;
}

export interface DiffView extends TreeDifference {
  from: ComparedVersion;
  to: ComparedVersion;
}

export class WorkspaceView {
  readonly #live: string;
  readonly #versions: string;
  readonly #staging: string;

  private constructor(paths: { live: string; versions: string; staging: string }) {
    this.#live = paths.live;
    this.#versions = paths.versions;
    this.#staging = paths.staging;
  }

  /** Throws `not_found` where the workspace does not exist. */
  static open(roots: { workspaceRoot: string; sandboxRoot: string }, ref: WorkspaceRef): WorkspaceView {
    const dir = workspaceDirName(ref);
    if (dir === null)
      throw new IsoError("invalid_request", "There is no workspace to look at.", { field: "workspace" });
    const layout = locateLayout(roots.workspaceRoot, roots.sandboxRoot);
    const live = liveDir(layout, dir);
    const [user = ""] = dir.split(".");
    const isTheirs = !isHashedDir(user) || whoseDir(layout, user)?.userId === ref.userId;
    if (isTheirs && isDirectory(live)) {
      return new WorkspaceView({ live, versions: versionsDir(layout, dir), staging: join(layout.staging, dir) });
    }
    const which = ref.workspace === undefined ? "no workspace" : `no workspace ${JSON.stringify(ref.workspace)}`;
    throw new IsoError(
      "not_found",
      `The user ${JSON.stringify(ref.userId)} has ${which} in "${layout.workspaceRoot}".`,
      {
        hint: "The first run that keeps a file makes it. Check --user, --workspace, and ISO_RUNTIME_USER_WORKSPACE_ROOT.",
      },
    );
  }

  /** All but folders, in byte order of names. */
  async files(): Promise<ListedFile[]> {
    return await told("The workspace cannot be listed", async () => {
      using tree = Tree.open(this.#live);
      const files: ListedFile[] = [];
      for await (const entry of tree.walk()) {
        if (entry.kind !== "dir") files.push({ ...shownPath(entry), kind: entry.kind, bytes: entry.size });
      }
      return files;
    });
  }

  /** A descriptor of a regular file, which is the caller's to close. */
  openFile(path: RelPath): number {
    const name = typeof path === "string" ? path : displayPath(path).path;
    using tree = Tree.open(this.#live);
    try {
      return tree.openFile(path);
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
      throw refusal(name, error, error.reason === "invalid_path" ? undefined : tree.stat(path)?.kind);
    }
  }

  async history(): Promise<HistoryView> {
    return await told("The versions cannot be listed", async () => {
      const stored = listVersions(this.#versions);
      const unnamed = unnamedVersion(this.#live, this.#staging);
      const newest = unnamed ?? stored.at(-1)?.record;
      const versions = stored.map(({ record, tree }) => shown(record, tree !== null, record.id === newest?.id));
      if (unnamed !== null && !versions.some(({ id }) => id === unnamed.id)) versions.push(shown(unnamed, false, true));
      return { versions: versions.reverse(), changedByHand: unnamed === null && (await this.#isEdited(stored.at(-1))) };
    });
  }

  /** Without versions: the last one against the one before. With one: that against the live tree. */
  async diff(from?: string, to?: string): Promise<DiffView> {
    return await told("The versions cannot be compared", async () => {
      const versions = listVersions(this.#versions);
      const newest = versions.at(-1);
      if (newest === undefined) {
        throw new IsoError("not_found", "The workspace has no version yet: there is nothing to compare.");
      }
      const before = from === undefined ? (versions.at(-2) ?? newest) : findVersion(versions, from);
      const after = to === undefined ? newest : findVersion(versions, to);
      using a = this.#treeOf(before, newest);
      using b = this.#treeOf(after, newest);
      return { from: compared(before, newest), to: compared(after, newest), ...(await diffTreesOf(a, b)) };
    });
  }

  #treeOf({ tree, record }: StoredVersion, newest: StoredVersion): Tree {
    if (record.id === newest.record.id) return Tree.open(this.#live);
    if (tree !== null) return Tree.open(tree);
    throw new IsoError(
      "not_found",
      `Version ${record.number} is not kept: it was changed by hand before the next one was made.`,
      {
        hint: "`iso-runtime workspace history` says which ones are kept.",
      },
    );
  }

  async #isEdited(newest: StoredVersion | undefined): Promise<boolean> {
    if (newest === undefined) return false;
    using live = Tree.open(this.#live);
    const manifest = await scan(live.root);
    judgeKept(manifest);
    const known = readFiles(newest.folder);
    return !sameTree(known, await recordTree(manifest, live.root, (path) => known.get(path)));
  }
}

function shown(record: VersionRecord, kept: boolean, current: boolean): Version {
  const { id, number, kind, runId, at, changes, files, restored } = record;
  return { id, number, kind, runId, at, changes, files, restored, current, kept: kept || current };
}

function compared({ record }: StoredVersion, newest: StoredVersion): ComparedVersion {
  return { id: record.id, number: record.number, live: record.id === newest.record.id };
}

function refusal(path: string, { reason, message }: SafeFsError, kind: EntryKind | undefined): IsoError {
  const no = (what: string, hint?: string) =>
    new IsoError(reason === "invalid_path" ? "invalid_request" : "not_found", `"${path}": ${what}.`, {
      field: "path",
      ...(hint !== undefined && { hint }),
    });
  const list = "`iso-runtime workspace ls` lists the files.";
  if (reason === "invalid_path")
    return no(message, "A path is relative to the workspace's files, as `workspace ls` lists them.");
  if (kind === "dir") return no("it is a folder", list);
  if (kind === "link" || reason === "link")
    return no("it is a symbolic link, or lies behind one; links are not followed", list);
  if (reason === "missing" || reason === "not_directory") return no("there is no such file in the workspace", list);
  return no(message);
}

/** A version that is dropped while it is read shows as a folder that went away. */
async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failure(error, what);
  }
}
