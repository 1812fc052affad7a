// Exchanging two directories in one step. Node has no renameat2, so a small trusted Python process of the host makes the
// call: started with the first exchange, ended with its stdin. Where it cannot be had the caller falls back to two renames.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { getSystemErrorName } from "node:util";
import { IsoError } from "../model/errors.js";

const SCRIPT = fileURLToPath(new URL("../../python/iso_host/exchange.py", import.meta.url));
/** Answers that mean "not on this kernel or file system". */
const NOT_HERE = new Set(["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);
export const DEFAULT_PYTHONS: readonly string[] = ["/usr/bin/python3", "/usr/local/bin/python3"];

type Child = ChildProcessByStdio<Writable, Readable, null>;

export class Exchanger {
  readonly #pythons: string[];
  #child: Child | null = null;
  /** Requests are answered one after another. */
  #last: Promise<unknown> = Promise.resolve();

  /** `pythons` are tried in order; the first that answers is kept. */
  constructor(pythons: readonly string[]) {
    this.#pythons = process.platform === "linux" ? [...pythons] : [];
  }

  /** Starts the helper ahead of the first request. */
  warm(): void {
    if (this.#child === null && this.#pythons[0] !== undefined) this.#child = start(this.#pythons[0]);
  }

  /**
   * True when the two were exchanged, false where that cannot be done here and nothing happened. Where the helper died
   * during the call the answer is false, too, and `a` may or may not be `b`: the caller looks.
   */
  exchange(a: string, b: string): Promise<boolean> {
    const answer = this.#last.then(() => this.#exchange(a, b));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    await this.#last;
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.ref();
    const gone = new Promise((done) => child.once("exit", done));
    child.stdin.end();
    await gone;
  }

  async #exchange(a: string, b: string): Promise<boolean> {
    this.warm();
    if (this.#child === null) return false;
    const errno = await ask(this.#child, a, b);
    if (errno === 0) return true;
    if (errno === null) {
      // It could not be started or died: the next request tries the next interpreter.
      this.#child = null;
      this.#pythons.shift();
      return false;
    }
    const name = getSystemErrorName(-errno);
    if (!NOT_HERE.has(name)) throw new IsoError("internal", `The new files cannot be put in place: ${name}.`);
    await this.#giveUp();
    return false;
  }

  async #giveUp(): Promise<void> {
    this.#child?.stdin.end();
    this.#child = null;
    this.#pythons.length = 0;
  }
}

function start(python: string): Child {
  // In a session of its own: Ctrl-C in a terminal must not end it in the middle of a sync.
  const options = { detached: true, env: {}, cwd: "/" };
  const child = spawn(python, ["-I", "-S", SCRIPT], { ...options, stdio: ["pipe", "pipe", "ignore"] });
  // An idle helper keeps no process from ending; both errors show as a missing answer.
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  child.unref();
  for (const stream of [child.stdin, child.stdout])
    if ("unref" in stream && typeof stream.unref === "function") stream.unref();
  return child;
}

/** The errno the helper answers, or null where it gives none. */
function ask(child: Child, a: string, b: string): Promise<number | null> {
  const body = Buffer.from(`${a}\0${b}`);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return new Promise((resolve) => {
    // The process stays up while an answer is due.
    const stayUp = setInterval(() => undefined, 60_000);
    let answer = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 4) settle(answer.readUInt32BE(0));
    };
    const onGone = () => settle(null);
    child.stdout.on("data", onData);
    child.stdout.once("close", onGone);
    child.once("error", onGone);
    if (child.stdout.destroyed) onGone();
    else child.stdin.write(Buffer.concat([head, body]));

    function settle(errno: number | null): void {
      clearInterval(stayUp);
      child.stdout.off("data", onData);
      child.stdout.off("close", onGone);
      child.off("error", onGone);
      resolve(errno);
    }
  });
}
