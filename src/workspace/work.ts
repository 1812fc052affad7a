// What a program left in work/: told of, never followed, never kept.
import { openTrustedDir } from "../safefs/dir.js";
import type { TreeEntry } from "../safefs/entry.js";
import { SafeFsError } from "../safefs/errors.js";
import { pacer } from "../safefs/pace.js";
import { traverse } from "../safefs/walk.js";
import type { ChangeLists } from "./change-lists.js";
import { MAIN_FILE } from "./layout.js";

/**
 * Lists the files below work/ other than the snippet, and measures them. Where programs have the host's own uid they can also put
 * files beside work/ and out/: these are told of, too. A work/ that is gone or replaced holds nothing.
 */
export async function readWork(
  run: { dir: string; work: string },
  maxEntries: number,
  lists: ChangeLists,
): Promise<{ bytes: number; entries: number }> {
  const found = { size: { bytes: 0, entries: 0 }, linked: new Set<bigint>() };
  const isSnippet = ({ parent, name }: TreeEntry) => parent === null && name.equals(Buffer.from(MAIN_FILE));
  const isOurs = ({ parent, name, kind }: TreeEntry) => parent === null && kind === "dir" && OURS.has(name.toString());
  await read(run.work, { maxEntries, found, skip: isSnippet, tell: (entry) => lists.leftInWork(entry) });
  await read(run.dir, { maxEntries, found, skip: isOurs, tell: (entry) => lists.leftInWork(entry, BESIDE) });
  return found.size;
}

const OURS = new Set(["work", "out"]);
/** From work/ to what lies beside it. */
const BESIDE = "../";

interface Reading {
  maxEntries: number;
  found: { size: { bytes: number; entries: number }; linked: Set<bigint> };
  skip(entry: TreeEntry): boolean;
  tell(entry: TreeEntry): void;
}

async function read(path: string, { maxEntries, found, skip, tell }: Reading): Promise<void> {
  const { size, linked } = found;
  const pause = pacer();
  try {
    using folder = openTrustedDir(path);
    for (const step of traverse(folder, maxEntries)) {
      if (step.type !== "entry") continue;
      const { entry } = step;
      if (skip(entry)) {
        step.descend = false;
        continue;
      }
      if (size.entries >= maxEntries) break;
      await pause();
      size.entries += 1;
      if (entry.kind === "dir" || entry.nlink === 1 || !linked.has(entry.ino)) size.bytes += entry.blocks * 512;
      if (entry.kind === "dir") continue;
      linked.add(entry.ino);
      tell(entry);
    }
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
  }
}
