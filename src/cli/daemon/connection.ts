// The caller's end of a connection to a resident engine: found where it must be, greeted, and read message by message.
import { closeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { FrameReader, type FromClient, type FromEngine, toFrame } from "./frames.js";
import { isOwnSocket, openFolder, type Place, PROTOCOL, pathIn } from "./place.js";

/** An engine that does not greet by then is taken for none: it may be stopped, or its machine overloaded. */
const GREETING_MS = 2_000;

/** Null where no engine of this user's listens under that name, for whatever reason; nothing was asked of one by then. */
export async function connectTo({ folder, name }: Pick<Place, "folder" | "name">): Promise<Connection | null> {
  const fd = openFolder(folder);
  if (fd === null) return null;
  try {
    const path = pathIn(folder, fd, name);
    if (!isOwnSocket(path)) return null;
    const connection = new Connection(connect(path));
    const greeting = await connection.next(GREETING_MS);
    if (greeting?.t === "ready" && greeting.protocol === PROTOCOL && greeting.name === name) return connection;
    connection.close();
    return null;
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

export class Connection {
  readonly #socket: Socket;
  readonly #waiting: FromEngine[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    const reader = new FrameReader<FromEngine>();
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#waiting.push(...reader.read(chunk));
      } catch {
        socket.destroy();
      }
      // The next ones are asked for when these are taken: a slow reader of a run's output slows its engine, and fills no memory.
      if (this.#waiting.length > 0) socket.pause();
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("error", end).on("end", end).on("close", end);
  }

  send(message: FromClient): void {
    if (!this.#ended) this.#socket.write(toFrame(message));
  }

  /** The next message; null after the last, or where none came in time. */
  async next(timeoutMs?: number): Promise<FromEngine | null> {
    const deadline = timeoutMs === undefined ? null : performance.now() + timeoutMs;
    while (this.#waiting.length === 0 && !this.#ended) {
      this.#socket.resume();
      const left = deadline === null ? null : deadline - performance.now();
      if (left !== null && left <= 0) return null;
      await this.#more(left);
    }
    return this.#waiting.shift() ?? null;
  }

  close(): void {
    this.#socket.destroy();
  }

  #more(timeoutMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === null ? undefined : setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
