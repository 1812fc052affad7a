// A small trusted Python process of the host that makes calls of the system Node has none for. It ends with its stdin.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** A request is a four-byte big-endian length and a body. */
export class HostHelper {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(python: string, script: string) {
    // In a session of its own: Ctrl-C in a terminal must not end it in the middle of a sync.
    const options = { detached: true, env: {}, cwd: "/" };
    const child = spawn(python, ["-I", "-S", script], { ...options, stdio: ["pipe", "pipe", "ignore"] });
    // An idle helper keeps no process from ending; both errors show as a missing answer.
    child.on("error", () => undefined);
    child.stdin.on("error", () => undefined);
    child.unref();
    for (const stream of [child.stdin, child.stdout])
      if ("unref" in stream && typeof stream.unref === "function") stream.unref();
    this.#child = child;
  }

  /**
   * One request at a time. An answer has `answerBytes`, or else is a length and a body, too. Null where there is none: the process
   * could not be started, or is gone.
   */
  ask(body: Buffer, answerBytes?: number): Promise<Buffer | null> {
    const child = this.#child;
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    return new Promise((resolve) => {
      // The process stays up while an answer is due.
      const stayUp = setInterval(() => undefined, 60_000);
      let answer: Buffer = Buffer.alloc(0);
      const onData = (chunk: Buffer) => {
        answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
        const from = answerBytes === undefined ? 4 : 0;
        if (answer.length < from) return;
        const length = answerBytes ?? answer.readUInt32BE(0);
        if (answer.length >= from + length) settle(answer.subarray(from, from + length));
      };
      const onGone = () => settle(null);
      child.stdout.on("data", onData);
      child.stdout.once("close", onGone);
      child.once("error", onGone);
      if (child.stdout.destroyed) onGone();
      else child.stdin.write(Buffer.concat([head, body]));

      function settle(said: Buffer | null): void {
        clearInterval(stayUp);
        child.stdout.off("data", onData);
        child.stdout.off("close", onGone);
        child.off("error", onGone);
        resolve(said);
      }
    });
  }

  /** Resolves when it is gone. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.ref();
    const gone = new Promise((done) => child.once("exit", done));
    child.stdin.end();
    await gone;
  }
}
