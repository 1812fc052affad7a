// A stand-in between us and the real Docker engine, that can fall silent, die and come back while the engine itself goes on.
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

export class EngineProxy {
  readonly #path: string;
  readonly #engine: string;
  readonly #open = new Set<Socket>();
  #server: Server | null = null;
  /** Answers no question any more; containers that are attached to go on talking. */
  silent = false;

  /** `host` is the real engine's, as DOCKER_HOST has it. */
  constructor(path: string, host: string) {
    this.#path = path;
    this.#engine = host.replace(/^unix:\/\//, "");
  }

  get host(): string {
    return `unix://${this.#path}`;
  }

  async listen(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket)).listen(this.#path);
    await once(this.#server, "listening");
  }

  die(): void {
    this.#server?.close();
    this.#server = null;
    rmSync(this.#path, { force: true });
    for (const socket of this.#open) socket.destroy();
  }

  #serve(ours: Socket): void {
    const engine = connect({ path: this.#engine, allowHalfOpen: true });
    let isAttached = false;
    for (const [from, to] of [
      [ours, engine],
      [engine, ours],
    ] as const) {
      this.#open.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.on("end", () => to.end());
    }
    ours.on("data", (chunk) => {
      isAttached ||= chunk.includes("/attach?");
      if (isAttached || !this.silent) engine.write(chunk);
    });
    engine.on("data", (chunk) => ours.write(chunk));
  }
}
