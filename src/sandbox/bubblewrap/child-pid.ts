// The pid of a sandbox's first process, as bubblewrap tells it on its status descriptor.
import type { Readable } from "node:stream";
import { z } from "zod";

const MAX_STATUS_BYTES = 64 * 1024;
const ChildPid = z.object({ "child-pid": z.number().int().min(2) });

/** The pid in the engine's `--json-status-fd`; null where it ended without one, or told none in time. */
export function readChildPid(status: Readable, timeoutMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    let text = "";
    let settled = false;
    const late = setTimeout(() => settle(null), timeoutMs);
    const settle = (pid: number | null) => {
      if (!settled) resolve(pid);
      settled = true;
      clearTimeout(late);
    };
    // What follows is read and dropped, so that the engine never waits for us.
    status.on("data", (chunk: Buffer) => {
      if (settled) return;
      text += chunk.toString("latin1");
      const pid = findPid(text);
      if (pid !== null) settle(pid);
      else if (text.length > MAX_STATUS_BYTES) settle(null);
    });
    status.once("close", () => settle(null));
  });
}

function findPid(text: string): number | null {
  for (const line of text.split("\n").slice(0, -1)) {
    try {
      const status = ChildPid.safeParse(JSON.parse(line));
      if (status.success) return status.data["child-pid"];
    } catch {
      // A line that is no JSON tells no pid.
    }
  }
  return null;
}
