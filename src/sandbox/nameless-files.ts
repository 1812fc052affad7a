// Files of a sandbox that no name leads to any more, but that its processes hold open: they fill the disk, and no look at the tree sees
// them. The kernel is asked what each descriptor is of; nothing is opened, so nothing blocks and nothing is followed.
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";

/** A program may have as many descriptors as its limits let it; of more than these the rest is not looked at. */
const MAX_DESCRIPTORS = 50_000;
const BLOCK_BYTES = 512;

/** Allocated bytes of such files on `device`, held by any process in the pid namespace whose first process is `initPid`. */
export async function namelessBytes(initPid: number, device: bigint, proc = "/proc"): Promise<number> {
  const namespace = linkOf(`${proc}/${initPid}/ns/pid`);
  if (namespace === null) return 0;
  const counted = new Set<bigint>();
  let bytes = 0;
  let looked = 0;
  for (const pid of namesIn(proc)) {
    if (!/^\d+$/.test(pid) || linkOf(`${proc}/${pid}/ns/pid`) !== namespace) continue;
    for (const number of namesIn(`${proc}/${pid}/fd`)) {
      if (looked >= MAX_DESCRIPTORS) return bytes;
      looked += 1;
      const stats = statOf(`${proc}/${pid}/fd/${number}`);
      if (stats === null || !stats.isFile() || stats.nlink !== 0n || stats.dev !== device || counted.has(stats.ino))
        continue;
      counted.add(stats.ino);
      bytes += Number(stats.blocks) * BLOCK_BYTES;
    }
    await turn();
  }
  return bytes;
}

// A process may end between two looks, and one that is not ours may not be looked at.
function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function statOf(path: string) {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}
