// The conversation with a container's runner over the engine's attach stream, as one Duplex; the container's stderr is the engine's log.
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { Demux } from "./demux.js";

const MAX_LOG_BYTES = 64 * 1024;

export class AttachedChannel extends Duplex {
  readonly #stream: Socket;
  readonly #log: Buffer[] = [];
  #logBytes = 0;

  constructor(stream: Socket) {
    super();
    this.#stream = stream;
    const demux = new Demux(
      (bytes) => {
        if (!this.push(bytes)) stream.pause();
      },
      (bytes) => this.#keep(bytes),
    );
    stream.on("data", (chunk: Buffer) => {
      try {
        demux.push(chunk);
      } catch (error) {
        this.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
    stream.on("end", () => this.push(null));
    stream.on("close", () => this.destroy());
    stream.on("error", (error: Error) => this.destroy(error));
    this.on("error", () => undefined);
  }

  logLines(): string[] {
    return Buffer.concat(this.#log)
      .toString("utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.slice(0, 2000));
  }

  ref(): void {
    this.#stream.ref();
  }

  unref(): void {
    this.#stream.unref();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#stream.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.destroy();
    done(error);
  }

  #keep(bytes: Buffer): void {
    const part = bytes.subarray(0, MAX_LOG_BYTES - this.#logBytes);
    this.#logBytes += part.length;
    if (part.length > 0) this.#log.push(Buffer.from(part));
  }
}
