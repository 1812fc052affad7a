// The conversation with a container's runner over the engine's attach stream, as one Duplex; the container's stderr is the engine's log.
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { Demux } from "./demux.js";

const MAX_LOG_BYTES = 64 * 1024;
const MAX_LINE_CHARS = 2_000;

export class AttachedChannel extends Duplex {
  /** Settles when the engine has ended the stream: with the container, or with the engine itself. */
  readonly gone: Promise<void>;
  readonly #stream: Socket;
  readonly #log = Buffer.alloc(MAX_LOG_BYTES);
  #logBytes = 0;
  #droppedBytes = 0;
  #over = false;

  constructor(stream: Socket) {
    super();
    this.#stream = stream;
    this.gone = new Promise((resolve) => stream.once("close", () => resolve()));
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
    stream.once("end", () => this.#finish());
    stream.once("close", () => this.#finish());
    stream.on("error", (error: Error) => this.destroy(error));
    // What arrived before the end is read first, however slow the reader is.
    this.once("end", () => this.destroy());
    this.on("error", () => undefined);
  }

  logLines(): string[] {
    const text = this.#log.toString("utf8", 0, this.#logBytes);
    const lines = text.split("\n").filter(Boolean);
    const cut = this.#droppedBytes === 0 ? [] : [`(${this.#droppedBytes} more bytes of the runner were dropped)`];
    return [...lines.map((line) => line.slice(0, MAX_LINE_CHARS)), ...cut];
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

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.push(null);
  }

  #keep(bytes: Buffer): void {
    const kept = bytes.copy(this.#log, this.#logBytes);
    this.#logBytes += kept;
    this.#droppedBytes += bytes.length - kept;
  }
}
