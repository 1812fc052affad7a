// The first process of a sandbox as the host sees it, and its end. The kernel lets it end only after every other process of its
// pid namespace, so its end is the proof that none is left. A pid may be given to somebody else once its process is gone, so it is
// only ever used together with the time that process started.
import { closeSync, openSync, read } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { errnoOf } from "../safefs/errors.js";
import { readKernelFile } from "../safefs/kernel-file.js";

const GONE_POLL_MS = 1;
/** What the kernel notes on a task that ends, before all else: it runs no code any more, and takes its time to give back its memory. */
const PF_EXITING = 0x4;
/** Each lets this thread sleep for a moment, in which a process that was killed comes to its end. */
const LOOKS = 10;
const MAX_STAT_BYTES = 2048;
const readAside = promisify(read);

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

  /**
   * Of one that was killed: true when it runs no code any more, though its end may take the kernel another millisecond; false where that
   * cannot be told soon, of one with threads for instance.
   */
  async runsNoMore(): Promise<boolean> {
    if (this.#started === null) return false;
    let fd: number | null = null;
    try {
      fd = openSync(this.#stat, "r");
      for (let look = 0; look < LOOKS; look += 1) {
        const { bytesRead, buffer } = await readAside(fd, Buffer.alloc(MAX_STAT_BYTES), 0, MAX_STAT_BYTES, 0);
        const fields = fieldsOf(buffer.toString("latin1", 0, bytesRead));
        const [started, threads, flags] = [startIn(fields), Number(fields[17]), Number(fields[6])];
        if (started !== this.#started || threads !== 1) return false;
        if ((flags & PF_EXITING) !== 0) return true;
      }
      return false;
    } catch {
      // Where it is gone, whoever waits for its end is told at once.
      return false;
    } finally {
      if (fd !== null) closeSync(fd);
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
    return startIn(fieldsOf(readKernelFile(path)));
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoOf(error) ?? "")) return null;
    throw error;
  }
}

/** From the third on, which is the state: the second is a name that may have anything in it. */
const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(")") + 2).split(" ");

const startIn = (fields: readonly string[]): string | null =>
  fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
