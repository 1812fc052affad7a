// Where sandboxes' channels arrive: the launcher connects one for each sandbox before it forks it, outside every namespace. The name is
// an abstract one that nobody can guess, and what connects must show the token its launcher was given.
import { randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { IsoError } from "../../model/errors.js";

export const TOKEN_CHARS = 32;
export const SLOT_ID_CHARS = 16;
const GREETING_BYTES = TOKEN_CHARS + SLOT_ID_CHARS;
/** For somebody who has no business here. */
const GREETING_TIMEOUT_MS = 5_000;

export class Door {
  /** Without the NUL in front that makes it abstract. */
  readonly name: string;
  readonly #server: Server;
  readonly #awaited = new Map<string, (socket: Socket) => void>();

  private constructor(name: string, server: Server) {
    this.name = name;
    this.#server = server;
    server.on("connection", (socket) => this.#greet(socket));
  }

  /** Throws IsoError `sandbox_unavailable` where this process cannot listen. */
  static async open(): Promise<Door> {
    const name = `iso-runtime-door-${randomBytes(16).toString("hex")}`;
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) =>
        reject(new IsoError("sandbox_unavailable", `Sandboxes have no way to us: ${error.message}.`, { cause: error })),
      );
      server.listen({ path: `\0${name}`, exclusive: true }, resolve);
    });
    // A connection that cannot be accepted for want of descriptors; its sandbox is missed in time.
    server.on("error", () => undefined);
    server.unref();
    return new Door(name, server);
  }

  /** Resolves with the channel of this sandbox, paused, its greeting read. `forget` stops waiting. */
  expect(token: string, slotId: string): { socket: Promise<Socket>; forget: () => void } {
    const key = token + slotId;
    const socket = new Promise<Socket>((resolve) => this.#awaited.set(key, resolve));
    return { socket, forget: () => this.#awaited.delete(key) };
  }

  close(): void {
    this.#server.close();
  }

  #greet(socket: Socket): void {
    // A peer that is gone is noticed by the end of its process, not by a failed write.
    socket.on("error", () => undefined);
    const late = setTimeout(() => socket.destroy(), GREETING_TIMEOUT_MS).unref();
    const listen = () => {
      const greeting: unknown = socket.read(GREETING_BYTES);
      if (!(greeting instanceof Buffer)) return;
      clearTimeout(late);
      socket.off("readable", listen);
      const key = greeting.toString("latin1");
      const resolve = this.#awaited.get(key);
      this.#awaited.delete(key);
      if (resolve === undefined) socket.destroy();
      else resolve(socket);
    };
    socket.on("readable", listen);
  }
}
