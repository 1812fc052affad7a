// What the engine had to say on stderr, bounded: the first lines tell why something failed, and are the ones kept.
import type { Readable } from "node:stream";

const MAX_BYTES = 64 * 1024;
const MAX_LINE_CHARS = 2_000;

/** Null: the engine says nothing of a single sandbox, and there are notes alone. */
export class EngineLog {
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #dropped = 0;
  readonly #notes: string[] = [];
  /** Settles when the stream has ended. */
  readonly ended: Promise<void>;

  constructor(stderr: Readable | null) {
    this.ended = stderr === null ? Promise.resolve() : new Promise((resolve) => stderr.once("close", () => resolve()));
    stderr?.on("data", (chunk: Buffer) => {
      const part = chunk.subarray(0, MAX_BYTES - this.#kept);
      this.#kept += part.length;
      this.#dropped += chunk.length - part.length;
      if (part.length > 0) this.#chunks.push(part);
    });
  }

  /** A line of our own. */
  note(line: string): void {
    this.#notes.push(line.slice(0, MAX_LINE_CHARS));
  }

  lines(): string[] {
    const text = Buffer.concat(this.#chunks).toString("utf8");
    const lines = text.split("\n").filter(Boolean);
    const cut = this.#dropped === 0 ? [] : [`(${this.#dropped} more bytes of the engine were dropped)`];
    return [...this.#notes, ...lines.map((line) => line.slice(0, MAX_LINE_CHARS)), ...cut];
  }
}
