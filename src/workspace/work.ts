// What a program left in work/: told of, never followed, never kept.
import { openTrustedDir } from "../safefs/dir.js";
import { SafeFsError } from "../safefs/errors.js";
import { pacer } from "../safefs/pace.js";
import { traverse } from "../safefs/walk.js";
import type { ChangeLists } from "./change-lists.js";
import { MAIN_FILE } from "./layout.js";

/** Lists the files below `path` other than the snippet, and measures them. A work/ that is gone or replaced holds nothing. */
export async function readWork(
  path: string,
  maxEntries: number,
  lists: ChangeLists,
): Promise<{ bytes: number; entries: number }> {
  const size = { bytes: 0, entries: 0 };
  const linked = new Set<bigint>();
  const pause = pacer();
  try {
    using work = openTrustedDir(path);
    for (const { type, entry } of traverse(work, maxEntries)) {
      if (type !== "entry" || (entry.parent === null && entry.name.equals(Buffer.from(MAIN_FILE)))) continue;
      if (size.entries >= maxEntries) break;
      await pause();
      size.entries += 1;
      if (entry.kind === "dir" || entry.nlink === 1 || !linked.has(entry.ino)) size.bytes += entry.blocks * 512;
      if (entry.kind === "dir") continue;
      linked.add(entry.ino);
      lists.leftInWork(entry);
    }
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
  }
  return size;
}
