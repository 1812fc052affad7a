// Polls how far out/ and work/ have grown while the program runs: no rlimit bounds a tree, so the host counts.
// Slow trees are measured less often: at most a tenth of the time goes into looking.
import type { Limits } from "../model/limits.js";
import { SafeFsError, Tree } from "../safefs/tree.js";

const FIRST_LOOK_MS = 200;
const SHARE_OF_TIME = 10;

export interface Grown {
  bytes: number;
  entries: number;
}
export interface DiskExcess {
  limit: "disk" | "files";
  message: string;
}

export interface Watched {
  dir: string;
  before: Grown;
  /** Bytes of files that are held open and that no name in `dir` leads to. */
  nameless(): Promise<number>;
}

/** The first limit that `grown` exceeds, in words; null where none is. */
export function excess(grown: Grown, limits: Pick<Limits, "disk" | "files">): DiskExcess | null {
  if (grown.bytes > limits.disk) {
    const message = `The program's files grew by ${grown.bytes} bytes; the limit is ${limits.disk}.`;
    return { limit: "disk", message };
  }
  if (grown.entries > limits.files) {
    const message = `The program made ${grown.entries} new files and folders; the limit is ${limits.files}.`;
    return { limit: "files", message };
  }
  return null;
}

/** Watches `dir` until the returned function is called; `onExcess` is called once at most. */
export function watchDisk(
  { dir, before, nameless }: Watched,
  limits: Pick<Limits, "disk" | "files">,
  onExcess: (found: DiskExcess) => void,
): () => void {
  let over = false;
  let timer = setTimeout(look, FIRST_LOOK_MS);

  async function look(): Promise<void> {
    const startedAt = performance.now();
    const now = await measure(dir, before.entries + limits.files + 1);
    const held = await nameless();
    if (over) return;
    const found =
      now && excess({ bytes: now.bytes + held - before.bytes, entries: now.entries - before.entries }, limits);
    if (found) onExcess(found);
    else timer = setTimeout(look, Math.max(FIRST_LOOK_MS, (performance.now() - startedAt) * SHARE_OF_TIME));
  }

  return () => {
    over = true;
    clearTimeout(timer);
  };
}

/** Allocated bytes and entries of the whole run folder; null where it is not there to be read (a remote backend has it elsewhere). */
async function measure(dir: string, maxEntries: number): Promise<Grown | null> {
  try {
    using tree = Tree.open(dir);
    return await tree.measure({ maxEntries });
  } catch (error) {
    if (error instanceof SafeFsError || (error instanceof Error && "code" in error)) return null;
    throw error;
  }
}
