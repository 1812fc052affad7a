// Which processes on this machine belong to sandboxes of one root: their mounts name it, whatever they call themselves.
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Pids whose mounts lie below `root`. The test's own processes share the host's mounts and are not among them. */
function processesOf(root: string): number[] {
  // A mount names its source relative to the file system, which a temporary folder's last two components tell well enough.
  const mark = `${basename(dirname(root))}/${basename(root)}`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readIfThere(`/proc/${pid}/mountinfo`).includes(mark) && !isZombie(pid))
    .map(Number);
}

/** Waits until no such process is left, for a bounded time, and returns those that stay. */
export async function leftOver(root: string, withinMs = 5000): Promise<number[]> {
  const until = Date.now() + withinMs;
  for (;;) {
    const left = processesOf(root);
    if (left.length === 0 || Date.now() > until) return left;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function isZombie(pid: string): boolean {
  return /^State:\s*Z/m.test(readIfThere(`/proc/${pid}/status`));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
