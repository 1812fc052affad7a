// Answers of tools on their way to a runner that may read slowly: they wait here, in order and within a bound, and not in the
// stream, so that a stop overtakes them.
import type { Writable } from "node:stream";

/** What may stand in the stream itself. */
const STREAM_BYTES = 1024 * 1024;
/** What a program can make the host keep for it. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

export class AnswerQueue {
  readonly #stream: Writable;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Bytes that the stream did not take yet. */
  get bytes(): number {
    return this.#bytes;
  }

  put(frame: Buffer): void {
    this.#waiting.push(frame);
    this.#bytes += frame.length;
    this.#pump();
  }

  readonly #pump = (): void => {
    while (this.#stream.writable && this.#stream.writableLength < STREAM_BYTES) {
      const frame = this.#waiting.shift();
      if (frame === undefined) return;
      this.#bytes -= frame.length;
      this.#stream.write(frame, this.#pump);
    }
  };
}
