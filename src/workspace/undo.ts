// An earlier version becomes the live tree again, or a path is taken out of it: by the same steps as a run's commit, and as a new
// version, so that it can be undone. Nothing that is not the version it says is ever brought back in silence.
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import { openTrustedDir } from "../safefs/dir.js";
import { displayPath } from "../safefs/display-path.js";
import { SafeFsError } from "../safefs/errors.js";
import { pacer } from "../safefs/pace.js";
import { type RelPath, splitPath } from "../safefs/rel-path.js";
import { scanLive, settleBefore } from "./before.js";
import type { StoreContext } from "./context.js";
import { liveDir, twinDir, versionsDir } from "./layout.js";
import { isDirectory } from "./live.js";
import { isFolder, keyOf, lookUp, type Manifest, type Node, nodesBelow, shownPath } from "./manifest.js";
import { addedTo, withheld } from "./operators-own.js";
import { Past } from "./past.js";
import { type RecordedTree, recordFile, sameRecord } from "./recorded-tree.js";
import { replaceLive } from "./replace-live.js";
import { changesBack } from "./undo-changes.js";
import { listVersions, type StoredVersion, type VersionRecord } from "./version-folder.js";

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
  const { version, last } = chooseTarget(listVersions(versionsDir(context.layout, dirName)), options.to);
  using live = openTrustedDir(liveDir(context.layout, dirName));
  const now = await scanLive(live);
  const { edited, lost } = await verify(context, dirName, { version, now, withEdits: options.withEdits ?? false });
  const { durable } = options;
  const before = await settleBefore(context, dirName, durable);
  if (before === null) throw new Error("an undo without versions");
  using past = Past.open(versionsDir(context.layout, dirName), live, before);
  const added = addedTo(past.treeOf(last.record.id), now).map(({ entry }) => keyOf(entry.path));
  const own = withheld(now).map(({ entry }) => keyOf(entry.path));
  const made = await replaceLive(context, {
    ...{ dirName, mark: "undo", durable, before },
    made: { kind: "undo", mark: "undo", restored: version.record.id },
    plan: { changes: changesBack(past, version.record.id, before.tree, { own, added }) },
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
  return await replaceLive(context, {
    ...{ dirName, mark: "rm", durable, made: { kind: "rm", mark: "rm" } },
    before: await settleBefore(context, dirName, durable),
    plan: { changes: [{ path: keyOf(node.entry.path), coming: null }] },
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
  if (version?.kept) return { version, last };
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

interface Checked {
  edited: FilePath[];
  lost: number;
}

/** Reads every file of an earlier version and compares it with what was recorded. Changes nothing, and refuses where it should. */
async function verify(
  context: StoreContext,
  dirName: string,
  { version, now, withEdits }: { version: StoredVersion; now: Manifest; withEdits: boolean },
): Promise<Checked> {
  const { layout, records } = context;
  const known = records.get(dirName);
  if (known === null) throw noRecord(version);
  const twin = twinDir(layout, dirName);
  // The live tree may have other files of these names, put there by hand since.
  using base = openTrustedDir(isDirectory(twin) ? twin : liveDir(layout, dirName));
  using past = Past.open(versionsDir(layout, dirName), base, known);
  const target = past.treeOf(version.record.id);
  const checked = await readAll(past, version.record.id, target);
  if (!withEdits && checked.edited.length + checked.lost > 0) throw notAsItWas(version, checked);
  for (const node of withheld(now)) checkPlace(node, target);
  return checked;
}

async function readAll(past: Past, id: string, target: RecordedTree): Promise<Checked> {
  const edited: FilePath[] = [];
  let lost = 0;
  const pause = pacer();
  for (const [path, recorded] of target) {
    if (recorded.kind !== "file") continue;
    await pause();
    const found = past.locate(id, path);
    if (found === null) lost += 1;
    else if (!sameRecord(recorded, await recordFile(found.folder, found.entry.name))) {
      edited.push(displayPath(Buffer.from(path, "latin1")));
    }
  }
  return { edited, lost };
}

/** What is no program's stays where it is, or nothing is done. */
function checkPlace({ entry, leftOut }: Node, target: RecordedTree): void {
  const names = keyOf(entry.path).split("/");
  const isTaken = names.some((_, at) => {
    const there = target.get(names.slice(0, at + 1).join("/"));
    return there !== undefined && (there.kind !== "dir" || at === names.length - 1);
  });
  if (!isTaken) return;
  throw new IsoError(
    "conflict",
    `"${shownPath(entry).path}" is no run's (${leftOut}), and that version has something else in its place.`,
    { hint: "Move it out of the workspace first, and back again afterwards." },
  );
}

function noRecord({ record }: StoredVersion): IsoError {
  return new IsoError(
    "not_found",
    `Version ${record.number} cannot be brought back: the record of its files is gone.`,
    {
      hint: "The next run makes a new one, from which versions can be brought back again.",
    },
  );
}

function notAsItWas({ record }: StoredVersion, { edited, lost }: Checked): IsoError {
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
    hint: "An edit in place reaches all versions that share the file. `withEdits` (`--with-edits`) brings the version back with these edits.",
  });
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
