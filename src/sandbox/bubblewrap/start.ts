// Starts bubblewrap with the descriptors it is told of on its command line.
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { IsoError } from "../../model/errors.js";
import { within } from "../../model/in-time.js";
import type { EngineLog } from "../linux/engine-log.js";
import { endEngines } from "../linux/orphans.js";
import type { RunningEngine } from "../linux/sandbox.js";
import { type EngineCommand, type StartedEngine, startEngine } from "../linux/spawn.js";

/** Numbers of the descriptors the engine gets. */
export const FD = { control: 3, status: 4, block: 5, seccomp: 6 } as const;

export interface Engine {
  readonly child: StartedEngine["child"];
  readonly control: Socket;
  readonly status: Socket;
  /** Anything written to it lets the sandbox go on. */
  readonly block: Socket;
  readonly stderr: Readable;
}

/** Throws as `startEngine` does. */
export async function startBwrap(
  engine: EngineCommand,
  seccompFd: number,
  env: Record<string, string>,
): Promise<Engine> {
  const { child, stderr, sockets } = await startEngine(engine, ["pipe", "pipe", "pipe", seccompFd], env);
  const [control, status, block] = sockets;
  if (!control || !status || !block) throw new IsoError("internal", "bubblewrap was started without its descriptors");
  return { child, control, status, block, stderr };
}

const STDERR_PATIENCE_MS = 1_000;

/** `name` is what the engine is marked with. */
export class RunningBwrap implements RunningEngine {
  readonly ended: Promise<void>;
  readonly #engine: Engine;
  readonly #log: EngineLog;
  readonly #name: string;
  #lost: string | null = null;
  #asked = false;

  constructor(engine: Engine, log: EngineLog, name: string) {
    this.#engine = engine;
    this.#log = log;
    this.#name = name;
    this.ended = new Promise((resolve) => {
      engine.child.once("exit", (_code, signal) => {
        if (signal !== null && !this.#asked) this.#lost = `the sandbox engine was killed by ${signal}`;
        resolve();
      });
    });
  }

  get control(): Socket {
    return this.#engine.control;
  }

  get lost(): string | null {
    return this.#lost;
  }

  ref(): void {
    this.#engine.child.ref();
  }

  unref(): void {
    const { child, status, stderr } = this.#engine;
    child.unref();
    for (const stream of [status, stderr]) if (stream instanceof Socket) stream.unref();
  }

  kill(): void {
    this.#asked = true;
    this.#engine.child.kill("SIGKILL");
  }

  /** An engine that was killed itself leaves the namespace to its parent-death signal, or to us. */
  async endUnknown(): Promise<void> {
    await endEngines(async (sandbox) => sandbox === this.#name);
  }

  async release(): Promise<void> {
    const { block, status, stderr } = this.#engine;
    block.destroy();
    status.destroy();
    await within(this.#log.ended, STDERR_PATIENCE_MS);
    stderr.destroy();
  }
}
