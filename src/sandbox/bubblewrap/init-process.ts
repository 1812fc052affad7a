// The first process of a sandbox as the host sees it: its pid, as the engine tells it, and its end. A pid may be given to
// somebody else once its process is gone, so it is only ever used together with the time that process started.
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { errnoOf } from "../../safefs/errors.js";

const MAX_STATUS_BYTES = 64 * 1024;
const GONE_POLL_MS = 2;
const ChildPid = z.object({ "child-pid": z.number().int().min(2) });

/** The pid in the engine's `--json-status-fd`; null where it ended without one. */
export function readChildPid(status: Readable): Promise<number | null> {
  return new Promise((resolve) => {
    let text = "";
    let settled = false;
    const settle = (pid: number | null) => {
      if (!settled) resolve(pid);
      settled = true;
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

export class InitProcess {
  readonly pid: number;
  readonly #started: string | null;

  constructor(pid: number) {
    this.pid = pid;
    this.#started = startOf(pid);
  }

  isAlive(): boolean {
    return this.#started !== null && startOf(this.pid) === this.#started;
  }

  /** SIGKILL: the kernel ends every process of its pid namespace with it. */
  kill(): void {
    if (!this.isAlive()) return;
    try {
      process.kill(this.pid, "SIGKILL");
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") throw error;
    }
  }

  async gone(): Promise<void> {
    while (this.isAlive()) {
      this.kill();
      await sleep(GONE_POLL_MS);
    }
  }
}

/** Ticks since boot when it started; null where there is no such process, or only its exit status. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
