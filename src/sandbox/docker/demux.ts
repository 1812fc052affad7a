// Takes an attached container's stream apart: frames of an eight-byte header (stream number, length) and a payload, split and joined anywhere.

const HEADER_BYTES = 8;
/** What a daemon sends in one frame is far smaller; a longer one is no frame. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const STDERR = 2;

export class Demux {
  readonly #onStdout: (bytes: Buffer) => void;
  readonly #onStderr: (bytes: Buffer) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #left = 0;

  constructor(onStdout: (bytes: Buffer) => void, onStderr: (bytes: Buffer) => void) {
    this.#onStdout = onStdout;
    this.#onStderr = onStderr;
  }

  /** Passes payloads on as they come, without waiting for a frame to be whole. Throws for what is no such stream. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const part = chunk.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#header[0] === STDERR) this.#onStderr(part);
        else this.#onStdout(part);
        continue;
      }
      const taken = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
      at += taken;
      this.#headerBytes += taken;
      if (this.#headerBytes < HEADER_BYTES) return;
      this.#headerBytes = 0;
      this.#left = this.#header.readUInt32BE(4);
      if ((this.#header[0] ?? 9) > STDERR || this.#left > MAX_FRAME_BYTES)
        throw new Error("the engine's stream holds something that is no frame");
    }
  }
}
