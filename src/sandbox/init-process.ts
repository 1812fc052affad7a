// The first process of a sandbox as the host sees it, and its end. The kernel lets it end only after every other process of its
// pid namespace, so its end is the proof that none is left. A pid may be given to somebody else once its process is gone, so it is
// only ever used together with the time that process started.
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../safefs/errors.js";
import { readKernelFile } from "../safefs/kernel-file.js";

const GONE_POLL_MS = 1;

export class InitProcess {
  readonly pid: number;
  readonly #stat: string;
  readonly #started: string | null;

  constructor(pid: number, proc = "/proc") {
    this.pid = pid;
    this.#stat = `${proc}/${pid}/stat`;
    this.#started = startOf(this.#stat);
  }

  isAlive(): boolean {
    if (this.#started === null) return false;
    try {
      return startOf(this.#stat) === this.#started;
    } catch {
      // What cannot be told now, for want of a descriptor say, is no proof of an end.
      return true;
    }
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

  /** Kills it, and waits for its end. */
  async gone(): Promise<void> {
    while (this.isAlive()) {
      this.kill();
      await sleep(GONE_POLL_MS);
    }
  }

  /** Whether it ends by itself within this time. */
  async endsWithin(timeoutMs: number): Promise<boolean> {
    const until = performance.now() + timeoutMs;
    while (this.isAlive()) {
      if (performance.now() > until) return false;
      await sleep(GONE_POLL_MS);
    }
    return true;
  }
}

/** Ticks since boot when it started; null where there is no such process, or only its exit status. */
function startOf(path: string): string | null {
  try {
    const stat = readKernelFile(path);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoOf(error) ?? "")) return null;
    throw error;
  }
}
