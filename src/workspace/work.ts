// What a program left in work/: told of, never followed, never kept.
import { type Dir, openDirAt, openTrustedDir } from "../safefs/dir.js";
import { readLinkAt, type TreeEntry } from "../safefs/entry.js";
import { SafeFsError } from "../safefs/errors.js";
import type { KnownFolder, KnownNode, KnownTree } from "../safefs/known-tree.js";
import { pacer } from "../safefs/pace.js";
import { traverse } from "../safefs/walk.js";
import type { ChangeLists } from "./change-lists.js";
import { MAIN_FILE } from "./layout.js";
import { keyOf } from "./manifest.js";

export interface Work {
  bytes: number;
  entries: number;
  /** The sandbox folder, of its out/ nothing but that it is there; null where not all of it was seen. */
  folder: KnownFolder | null;
}

/**
 * Lists the files below work/ other than the snippet, and measures them. Where programs have the host's own uid they can also put
 * files beside work/ and out/: these are told of, too. A work/ that is gone or replaced holds nothing.
 */
export async function readWork(dir: string, maxEntries: number, lists: ChangeLists): Promise<Work> {
  const found: Found = { bytes: 0, entries: 0, isWhole: true, linked: new Set() };
  const isSnippet = ({ parent, name }: TreeEntry) => parent === null && name.equals(Buffer.from(MAIN_FILE));
  const isOurs = ({ parent, name, kind }: TreeEntry) => parent === null && kind === "dir" && OURS.has(name.toString());
  let folder: KnownFolder | null = null;
  await reaching(found, async () => {
    using opened = openTrustedDir(dir);
    let work: KnownFolder | null = null;
    await reaching(found, async () => {
      using inside = openDirAt(opened, Buffer.from("work"));
      work = await read(inside, { maxEntries, found, skip: isSnippet, tell: (entry) => lists.leftInWork(entry) });
    });
    const beside = await read(opened, {
      ...{ maxEntries, found, skip: isOurs, tell: (entry: TreeEntry) => lists.leftInWork(entry, BESIDE) },
    });
    folder = work === null ? beside : within(beside, "work", work);
  });
  const { bytes, entries, isWhole } = found;
  return { bytes, entries, folder: isWhole ? folder : null };
}

/** All of a sandbox folder, where what is in its out/ is known as well. */
export function withOut(folder: KnownFolder, out: KnownTree): KnownTree {
  const changed = out.changed && onlyOut(within(folder, "out", out.changed));
  return { root: within(folder, "out", out.root), changed };
}

function onlyOut({ children }: KnownFolder): KnownFolder {
  return { children: new Map([...children].filter(([name]) => name === "out")) };
}

/** The folder with what is in one folder of it. */
function within(folder: KnownFolder, name: string, { children }: KnownFolder): KnownFolder {
  const node = folder.children.get(name);
  return node?.entry.kind === "dir"
    ? { children: new Map([...folder.children, [name, { ...node, children }]]) }
    : folder;
}

const OURS = new Set(["work", "out"]);
/** From work/ to what lies beside it. */
const BESIDE = "../";

interface Found {
  bytes: number;
  entries: number;
  isWhole: boolean;
  readonly linked: Set<bigint>;
}

interface Reading {
  maxEntries: number;
  found: Found;
  skip(entry: TreeEntry): boolean;
  tell(entry: TreeEntry): void;
}

async function read(folder: Dir, { maxEntries, found, skip, tell }: Reading): Promise<KnownFolder> {
  const pause = pacer();
  const root = new Map<string, KnownNode>();
  const folders = new Map<TreeEntry | null, Map<string, KnownNode>>([[null, root]]);
  for (const step of traverse(folder, maxEntries)) {
    if (step.type === "lost") found.isWhole = false;
    if (step.type !== "entry") continue;
    const { entry } = step;
    const target = entry.kind === "link" ? readLinkAt(step.dir, entry.name) : null;
    const children = entry.kind === "dir" ? new Map<string, KnownNode>() : null;
    folders.get(entry.parent)?.set(keyOf(entry.name), { entry, target, children });
    if (skip(entry)) {
      step.descend = false;
      continue;
    }
    if (children !== null) folders.set(entry, children);
    if (found.entries >= maxEntries) {
      found.isWhole = false;
      break;
    }
    await pause();
    found.entries += 1;
    if (entry.kind === "dir" || entry.nlink === 1 || !found.linked.has(entry.ino)) found.bytes += entry.blocks * 512;
    if (entry.kind === "dir") continue;
    found.linked.add(entry.ino);
    tell(entry);
  }
  return { children: root };
}

/** What is no folder, or not to be read, holds nothing. */
async function reaching(found: Found, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
    if (!["missing", "link", "not_directory"].includes(error.reason)) found.isWhole = false;
  }
}
