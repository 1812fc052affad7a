// A workspace as it is looked at, without its lock and without making anything: its files, its versions, and what differs between them.
// A run may replace the tree meanwhile; what was opened stays whole.
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import type { Version } from "../model/versions.js";
import type { Dir } from "../safefs/dir.js";
import { displayPath } from "../safefs/display-path.js";
import { type EntryKind, type RelPath, readFileAt, SafeFsError, Tree } from "../safefs/tree.js";
import { deltaOf } from "./delta.js";
import { failure } from "./failure.js";
import { judgeKept } from "./kept.js";
import { liveDir, locateLayout, recordFile, twinDir, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { scan, shownPath } from "./manifest.js";
import { Past } from "./past.js";
import { readLog } from "./record-log.js";
import { type RecordedTree, recordTree } from "./recorded-tree.js";
import { unnamedVersion } from "./replace-live.js";
import { findVersion } from "./undo.js";
import { isHashedDir, type WorkspaceRef, workspaceDirName } from "./user-dir.js";
import { whoseDir } from "./user-record.js";
import { diffSides, type Side, type TreeDifference } from "./version-diff.js";
import { listVersions, type StoredVersion, type VersionRecord } from "./version-folder.js";

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

interface Paths {
  live: string;
  twin: string;
  versions: string;
  record: string;
  staging: string;
}

export class WorkspaceView {
  readonly #paths: Paths;

  private constructor(paths: Paths) {
    this.#paths = paths;
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
      return new WorkspaceView({
        ...{ live, twin: twinDir(layout, dir), versions: versionsDir(layout, dir) },
        ...{ record: recordFile(layout, dir), staging: join(layout.staging, dir) },
      });
    }
    const which = ref.workspace === undefined ? "no workspace" : `no workspace ${JSON.stringify(ref.workspace)}`;
    throw new IsoError(
      "not_found",
      `The user ${JSON.stringify(ref.userId)} has ${which} in "${layout.workspaceRoot}".`,
      {
        hint: "The first run that keeps a file makes it. Check the user, the name of the workspace, and ISO_RUNTIME_USER_WORKSPACE_ROOT.",
      },
    );
  }

  /** All but folders, in byte order of names. */
  async files(): Promise<ListedFile[]> {
    return await told("The workspace cannot be listed", async () => {
      using tree = Tree.open(this.#paths.live);
      const files: ListedFile[] = [];
      for await (const entry of tree.walk()) {
        if (entry.kind !== "dir") files.push({ ...shownPath(entry), kind: entry.kind, bytes: entry.size });
      }
      return files;
    });
  }

  /** The live tree, which is the caller's to close. It stays whole while a new one takes its place, until it is removed. */
  open(): Tree {
    return Tree.open(this.#paths.live);
  }

  /** A descriptor of a regular file, which is the caller's to close. */
  openFile(path: RelPath): number {
    const name = typeof path === "string" ? path : displayPath(path).path;
    using tree = Tree.open(this.#paths.live);
    try {
      return tree.openFile(path);
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
      throw refusal(name, error, error.reason === "invalid_path" ? undefined : tree.stat(path)?.kind);
    }
  }

  async history(): Promise<HistoryView> {
    return await told("The versions cannot be listed", async () => {
      const stored = listVersions(this.#paths.versions);
      const unnamed = unnamedVersion(this.#paths.live, this.#paths.staging);
      const newest = unnamed ?? stored.at(-1)?.record;
      const versions = stored.map(({ record, kept }) => shown(record, kept, record.id === newest?.id));
      if (unnamed !== null && !versions.some(({ id }) => id === unnamed.id)) versions.push(shown(unnamed, false, true));
      return { versions: versions.reverse(), changedByHand: unnamed === null && (await this.#isEdited(stored.at(-1))) };
    });
  }

  /** Without versions: the last one against the one before. With one: that against the live tree. */
  async diff(from?: string, to?: string): Promise<DiffView> {
    return await told("The versions cannot be compared", async () => {
      const versions = listVersions(this.#paths.versions);
      const newest = versions.at(-1);
      if (newest === undefined) {
        throw new IsoError("not_found", "The workspace has no version yet: there is nothing to compare.");
      }
      const before = from === undefined ? (versions.at(-2) ?? newest) : findVersion(versions, from);
      const after = to === undefined ? newest : findVersion(versions, to);
      for (const version of [before, after]) if (version !== newest && !version.kept) throw notKept(version);
      using live = Tree.open(this.#paths.live);
      using base = isDirectory(this.#paths.twin) ? Tree.open(this.#paths.twin) : null;
      using past = this.#past((base ?? live).root);
      const current = { tree: await this.#treeOfLive(live, past, newest), read: readerOf(live) };
      const sideOf = ({ record: { id } }: StoredVersion): Side =>
        id === newest.record.id || past === null ? current : { tree: past.treeOf(id), read: pastReader(past, id) };
      return {
        ...{ from: compared(before, newest), to: compared(after, newest) },
        ...(await diffSides(sideOf(before), sideOf(after))),
      };
    });
  }

  /** Null where nothing is recorded of what the versions held. */
  #past(base: Dir): Past | null {
    const known = readLog(this.#paths.record);
    return known && Past.open(this.#paths.versions, base, known);
  }

  async #treeOfLive(live: Tree, past: Past | null, newest: StoredVersion): Promise<RecordedTree> {
    const manifest = await scan(live.root);
    judgeKept(manifest);
    const known = past?.treeOf(newest.record.id);
    return await recordTree(manifest, live.root, (path) => known?.get(path));
  }

  async #isEdited(newest: StoredVersion | undefined): Promise<boolean> {
    if (newest === undefined) return false;
    using live = Tree.open(this.#paths.live);
    using past = this.#past(live.root);
    if (past === null) return true;
    const { was, now } = deltaOf(past.treeOf(newest.record.id), await this.#treeOfLive(live, past, newest));
    return was.size + now.size > 0;
  }
}

const readerOf =
  (tree: Tree): Side["read"] =>
  (path, maxBytes) =>
    readOrNull(() => tree.readFile(Buffer.from(path, "latin1"), maxBytes));

const pastReader =
  (past: Past, id: string): Side["read"] =>
  (path, maxBytes) =>
    readOrNull(() => {
      const found = past.locate(id, path);
      return found && readFileAt(found.folder, found.entry.name, maxBytes);
    });

/** A run may take away what is being read. */
function readOrNull(read: () => Buffer | null): Buffer | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SafeFsError) return null;
    throw error;
  }
}

function notKept({ record }: StoredVersion): IsoError {
  return new IsoError("not_found", `Version ${record.number} is not kept: what came after it is not known.`, {
    hint: "`iso-runtime workspace history` says which ones are kept.",
  });
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
