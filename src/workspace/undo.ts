// An earlier version becomes the live tree again, or a path is taken out of it: by the same steps as a run's commit, and as a new
// version, so that it can be undone. Nothing that is not the version it says is ever brought back in silence.
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { displayPath } from "../safefs/display-path.js";
import { SafeFsError } from "../safefs/errors.js";
import { type RelPath, splitPath } from "../safefs/rel-path.js";
import { versionBefore } from "./before.js";
import type { Carried } from "./build-tree.js";
import type { StoreContext } from "./context.js";
import { judgeKept } from "./kept.js";
import { liveDir, versionsDir } from "./layout.js";
import {
  type Folder,
  folderIn,
  isFolder,
  keyOf,
  lookUp,
  type Manifest,
  type Node,
  nodesBelow,
  scan,
  shownPath,
} from "./manifest.js";
import { addedTo, withheld } from "./operators-own.js";
import { countFiles, type RecordedTree, recordTree, sameRecord } from "./recorded-tree.js";
import { replaceLive } from "./replace-live.js";
import { listVersions, readFiles, recordedIn, type StoredVersion, type VersionRecord } from "./version-folder.js";

/** Paths that a message names. */
const MAX_NAMED = 5;

export interface UndoOptions {
  /** The version to go back to: its id or number. Without it, the state before the last version that a run, an undo or a removal made. */
  to?: string | undefined;
  /** Brings it back with the edits that were made by hand, in place, to files that it shares with the live tree. */
  withEdits?: boolean | undefined;
  durable: boolean;
}

export interface Undone {
  made: VersionRecord;
  /** Files that are not as that version had them. */
  edited: FilePath[];
  /** Regular files that it had and that are gone. */
  lost: number;
}

export async function undo(context: StoreContext, dirName: string, options: UndoOptions): Promise<Undone> {
  if (context.versions.keep === 0)
    throw new IsoError("invalid_request", "Versions are switched off: there is nothing to go back to.", {
      hint: "Set `versions.keep` in the config.",
    });
  const versions = listVersions(versionsDir(context.layout, dirName));
  const { version, path, last } = chooseTarget(versions, options.to);
  using tree = openTrustedDir(path);
  using live = openTrustedDir(liveDir(context.layout, dirName));
  const target = await verify(tree, versions, version);
  const { edited, lost } = target;
  if (!options.withEdits && edited.length + lost > 0) throw notAsItWas(version, target);
  const now = await scanLive(live);
  const { durable } = options;
  const before = await versionBefore(context, dirName, { manifest: now, live, durable });
  const own = withheld(now);
  const { entries, placed } = carriedInto(target.manifest.root, own, addedTo(readFiles(last.folder), now));
  const also = recordsOf(placed, before?.tree ?? new Map());
  const made = await replaceLive(context, {
    ...{ dirName, mark: "undo", durable, before, known: target.found, also },
    made: { kind: "undo", mark: "undo", restored: version.record.id },
    plan: async () => ({
      ...{ root: target.manifest.root, source: tree, carry: { from: live, entries } },
      reuse: { from: tree, unchanged: filesOf(target.manifest.root) },
    }),
  });
  if (made === null) throw new Error("an undo without a version");
  return { made, edited, lost };
}

/** Takes a file or folder out of the workspace. The version that is then the newest; null where versions are off. */
export async function removePath(
  context: StoreContext,
  dirName: string,
  path: RelPath,
  durable: boolean,
): Promise<VersionRecord | null> {
  using live = openTrustedDir(liveDir(context.layout, dirName));
  const now = await scanLive(live);
  const node = findNode(now, path);
  const own = [node, ...(isFolder(node) ? nodesBelow(node) : [])].find(({ leftOut }) => leftOut !== null);
  if (own !== undefined) {
    throw new IsoError(
      "conflict",
      `"${shownPath(own.entry).path}" is no run's and in no version (${own.leftOut}): it could not be brought back.`,
      {
        hint: "Remove it by hand where it lies.",
      },
    );
  }
  const before = await versionBefore(context, dirName, { manifest: now, live, durable });
  node.parent.children.delete(keyOf(node.entry.name));
  const { root } = now;
  const { entries } = carriedInto(root, withheld(now), []);
  return await replaceLive(context, {
    ...{ dirName, mark: "rm", durable, before, made: { kind: "rm", mark: "rm" } },
    plan: async () => ({
      ...{ root, source: live, reuse: { from: live, unchanged: filesOf(root) } },
      carry: { from: live, entries },
    }),
  });
}

/** A version by its id or number. */
export function findVersion(versions: readonly StoredVersion[], wanted: string): StoredVersion {
  const number = /^\d{1,8}$/.test(wanted) ? Number(wanted) : null;
  const found = versions.find(({ record }) => record.id === wanted || record.number === number);
  if (found !== undefined) return found;
  const numbers = versions.map(({ record }) => record.number);
  const range = numbers.length === 0 ? "There is none yet." : `There are ${numbers[0]} to ${numbers.at(-1)}.`;
  throw new IsoError("not_found", `There is no version "${wanted.slice(0, 128)}". ${range}`, {
    hint: "`iso-runtime workspace history` lists them.",
  });
}

interface Choice {
  version: StoredVersion;
  path: string;
  /** The last version that was not made by hand. */
  last: StoredVersion;
}

function chooseTarget(versions: readonly StoredVersion[], to: string | undefined): Choice {
  const newest = versions.at(-1);
  const last = versions.findLast(({ record }) => record.before !== null);
  if (newest === undefined || last === undefined) {
    throw new IsoError("not_found", "The workspace has no version yet: there is nothing to undo.");
  }
  const version =
    to === undefined ? versions.find(({ record }) => record.id === last.record.before) : findVersion(versions, to);
  if (version === newest) {
    throw new IsoError("invalid_request", `Version ${newest.record.number} is the live one already.`, {
      field: "version",
      hint: "`iso-runtime workspace history` lists the others.",
    });
  }
  if (version?.tree) return { version, path: version.tree, last };
  const which =
    version === undefined ? `The state before version ${last.record.number}` : `Version ${version.record.number}`;
  throw new IsoError(
    "not_found",
    `${which} is not kept: it was changed by hand, or dropped to stay within what is kept.`,
    {
      hint: "`iso-runtime workspace history` says which ones are kept; `versions` in the config says how many.",
    },
  );
}

interface Target {
  manifest: Manifest;
  /** What the tree holds now. */
  found: RecordedTree;
  edited: FilePath[];
  lost: number;
}

/** Reads every file of an earlier version and compares it with what was recorded. */
async function verify(tree: Dir, versions: readonly StoredVersion[], version: StoredVersion): Promise<Target> {
  const manifest = await scan(tree);
  judgeKept(manifest);
  const recorded = recordedIn(versions, version);
  const found = await recordTree(manifest, tree, () => undefined);
  const edited = [...found]
    .filter(([path, now]) => now.kind === "file" && !sameRecord(now, recorded(path)))
    .map(([path]) => displayPath(Buffer.from(path, "latin1")));
  return { manifest, found, edited, lost: Math.max(0, version.record.files - countFiles(found)) };
}

function notAsItWas({ record }: StoredVersion, { edited, lost }: Target): IsoError {
  const named = edited
    .slice(0, MAX_NAMED)
    .map(({ path }) => `"${path}"`)
    .join(", ");
  const more = edited.length > MAX_NAMED ? ` and ${edited.length - MAX_NAMED} more` : "";
  const what = [
    ...(edited.length > 0 ? [`${named}${more} changed by hand since`] : []),
    ...(lost > 0 ? [`${lost} of its files are gone`] : []),
  ];
  return new IsoError("conflict", `Version ${record.number} is not as it was any more: ${what.join("; ")}.`, {
    hint: "An edit in place reaches all versions that share the file. `--with-edits` brings the version back with these edits.",
  });
}

async function scanLive(live: Dir): Promise<Manifest> {
  const manifest = await scan(live);
  const [lost] = manifest.lost;
  if (lost)
    throw new IsoError("internal", `The workspace's "${shownPath(lost.entry).path}" cannot be read: ${lost.leftOut}.`);
  judgeKept(manifest);
  return manifest;
}

function findNode({ root }: Manifest, path: RelPath): Node {
  const text = typeof path === "string" ? path : displayPath(path).path;
  try {
    splitPath(path);
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
    throw new IsoError("invalid_request", `"${text}": ${error.message}.`, {
      field: "path",
      hint: "A path is relative to the workspace's files, as `workspace ls` lists them.",
    });
  }
  const node = lookUp(root, path);
  if (node !== null) return node;
  throw new IsoError("not_found", `The workspace has no "${text}".`, {
    hint: "`iso-runtime workspace ls` lists its files.",
  });
}

function filesOf(root: Folder): Set<Node> {
  return new Set([...nodesBelow(root)].filter((node) => node.leftOut === null && node.entry.kind === "file"));
}

/**
 * Where what is no program's goes in a tree that had not seen it: its folders are made where they are not there. `placed` are those of
 * `added` that found a place; the others are in the version of before.
 */
function carriedInto(root: Folder, own: readonly Node[], added: readonly Node[]): { entries: Carried; placed: Node[] } {
  const entries = new Map<Folder, Node[]>();
  const place = (node: Node): boolean => {
    const folder = folderFor(root, node.parent);
    const taken = folder?.children.get(keyOf(node.entry.name));
    if (folder === null || (taken !== undefined && taken.leftOut === null)) return false;
    entries.set(folder, [...(entries.get(folder) ?? []), node]);
    return true;
  };
  for (const node of own) {
    if (place(node)) continue;
    throw new IsoError(
      "conflict",
      `"${shownPath(node.entry).path}" is no run's (${node.leftOut}), and that version has something else in its place.`,
      { hint: "Move it out of the workspace first, and back again afterwards." },
    );
  }
  const placed: Node[] = [];
  for (const node of added) {
    if (isFolder(node)) folderFor(root, node);
    else if (place(node)) placed.push(node);
  }
  // From here on they are carried like the others.
  for (const node of placed) node.leftOut = "added by hand";
  return { entries, placed };
}

function recordsOf(nodes: readonly Node[], live: RecordedTree): RecordedTree {
  const records: RecordedTree = new Map();
  for (const { entry } of nodes) {
    const path = keyOf(entry.path);
    const recorded = live.get(path);
    if (recorded !== undefined) records.set(path, recorded);
  }
  return records;
}

function folderFor(root: Folder, { node }: Folder): Folder | null {
  if (node === null) return root;
  const above = folderFor(root, node.parent);
  return above === null ? null : folderIn(above, node.entry);
}
