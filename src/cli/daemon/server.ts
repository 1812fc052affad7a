// The resident engine: runtimes that stay, behind a socket, until nobody has asked for a while. It runs in a process of its own.
import { once } from "node:events";
import { closeSync, lstatSync, mkdirSync, renameSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { parseRequest, type RunRequest } from "../../harness/request.js";
import { createRuntime } from "../../harness/runtime.js";
import { IsoError, toIsoError } from "../../model/errors.js";
import { type Fault, FrameReader, type FromClient, type FromEngine, toFrame } from "./frames.js";
import { folderBelow, openFolder, type Place, PROTOCOL, pathIn, placeOf } from "./place.js";
import { type Lent, Runtimes, WARM } from "./runtimes.js";

/** Between two looks whether callers still find this engine. */
const LOOK_MS = 5_000;
/** Connections at once; more are closed at once, and their callers run by themselves. */
const MAX_CONNECTIONS = 256;

export interface EngineOptions {
  config: string | undefined;
  /** Without a run for so long it ends. */
  idleMs: number;
  /** Cancels what runs and ends the engine. */
  signal: AbortSignal;
}

/**
 * Serves until it is idle, told to stop, found by nobody any more, or `signal` aborts. `onReady` is called when callers find it. Throws
 * IsoError where there are no roots, no sandbox or no private folder to be had.
 */
export async function serveEngine({ config, idleMs, signal }: EngineOptions, onReady: () => void): Promise<void> {
  const first = await createRuntime({ ...(config !== undefined && { config }), warm: WARM });
  try {
    // Opens the roots, by which the engine is found.
    await first.warm();
    const { sandboxRoot } = first.settings;
    mkdirSync(folderBelow(sandboxRoot), { recursive: true, mode: 0o700 });
    const place = placeOf(config);
    const fd = place && openFolder(place.folder);
    if (!place || fd === null) throw notOurs(folderBelow(sandboxRoot));
    try {
      const runtimes = new Runtimes(place, config, first);
      await new ResidentEngine(place, fd, runtimes, idleMs).serve(signal, onReady);
    } finally {
      closeSync(fd);
    }
  } finally {
    await first.close();
  }
}

function notOurs(folder: string): IsoError {
  return new IsoError("config_invalid", `The folder "${folder}" is not this user's own, or others may enter it.`, {
    hint: "Choose roots of your own, or run without a resident engine.",
  });
}

class ResidentEngine {
  readonly #place: Place;
  readonly #path: string;
  readonly #new: string;
  readonly #runtimes: Runtimes;
  readonly #idleMs: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #startedAt = performance.now();
  #lastAsked = performance.now();
  #runs = 0;
  #served = 0;
  #inode = 0n;
  #stop: () => void = () => undefined;

  constructor(place: Place, fd: number, runtimes: Runtimes, idleMs: number) {
    this.#place = place;
    this.#path = pathIn(place.folder, fd, place.name);
    this.#new = pathIn(place.folder, fd, `${place.name}.${process.pid}`);
    this.#runtimes = runtimes;
    this.#idleMs = idleMs;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  async serve(signal: AbortSignal, onReady: () => void): Promise<void> {
    await this.#listen();
    const stopped = new Promise<void>((resolve) => {
      this.#stop = resolve;
    });
    const looking = setInterval(() => this.#look(), Math.min(LOOK_MS, Math.max(50, this.#idleMs / 4)));
    signal.addEventListener("abort", this.#stop, { once: true });
    if (signal.aborted) this.#stop();
    onReady();
    await stopped;
    clearInterval(looking);
    this.#hide();
    // Whoever was taken is served to the end; a signal cancels, as it does in a process of one's own.
    this.#server.close();
    if (!signal.aborted) await Promise.race([this.#quiet(), aborted(signal)]);
    await this.#runtimes.close();
    await this.#quiet();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Under another name first: what callers find listens already, and one that a killed engine left is replaced. */
  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#new, resolve);
    });
    this.#inode = lstatSync(this.#new, { bigint: true }).ino;
    renameSync(this.#new, this.#path);
  }

  #hide(): void {
    if (this.#isFound()) unlinkSync(this.#path);
  }

  #isFound(): boolean {
    return lstatSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode;
  }

  #look(): void {
    const idle = this.#runs === 0 && performance.now() - this.#lastAsked >= this.#idleMs;
    // Another engine took its name, or somebody removed the root.
    if (idle || !this.#isFound()) this.#stop();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => socket.destroy());
    const reader = new FrameReader<FromClient>();
    const left = new AbortController();
    socket.on("close", () => left.abort());
    let asked = false;
    const onMessage = (message: FromClient) => {
      if (message.do === "cancel") left.abort();
      else if (!asked) {
        asked = true;
        this.#answer(socket, message, left.signal).then(
          () => socket.end(),
          () => socket.destroy(),
        );
      }
    };
    socket.on("data", (chunk: Buffer) => {
      try {
        for (const message of reader.read(chunk)) onMessage(message);
      } catch {
        socket.destroy();
      }
    });
    void tell(socket, { t: "ready", protocol: PROTOCOL, name: this.#place.name });
  }

  async #answer(socket: Socket, message: FromClient, left: AbortSignal): Promise<void> {
    if (message.do === "run") await this.#run(socket, message, left);
    else if (message.do === "status") {
      const now = performance.now();
      const seconds = (since: number) => Math.round((now - since) / 1000);
      const times = { upSeconds: seconds(this.#startedAt), idleSeconds: this.#runs > 0 ? 0 : seconds(this.#lastAsked) };
      await tell(socket, {
        t: "status",
        status: { pid: process.pid, runs: this.#runs, served: this.#served, ...times },
      });
    } else if (message.do === "stop") {
      await tell(socket, { t: "stopping" });
      this.#stop();
      // It closes with the engine: the caller sees the end by it.
      await once(socket, "close");
    }
  }

  async #run(socket: Socket, message: Extract<FromClient, { do: "run" }>, left: AbortSignal): Promise<void> {
    if (message.key !== this.#place.key) return await tell(socket, { t: "elsewhere" });
    this.#lastAsked = performance.now();
    this.#runs += 1;
    try {
      const request = { ...message.request };
      try {
        parseRequest(request);
      } catch (error) {
        return await tell(socket, { t: "fault", in: "request", fault: faultOf(error) });
      }
      let lent: Lent | null;
      try {
        lent = await this.#runtimes.lend(message);
      } catch (error) {
        return await tell(socket, { t: "fault", in: "settings", fault: faultOf(error) });
      }
      if (lent === null) return await tell(socket, { t: "elsewhere" });
      try {
        await tell(socket, { t: "taken" });
        // Checked above, by the check that the runtime has, too.
        const asked = { ...request, signal: left } as unknown as RunRequest;
        for await (const event of lent.runtime.stream(asked)) await tell(socket, { t: "event", event });
        this.#served += 1;
      } finally {
        lent.giveBack();
      }
    } finally {
      this.#runs -= 1;
      this.#lastAsked = performance.now();
    }
  }

  async #quiet(): Promise<void> {
    while (this.#runs > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves when the caller has room for more. One that left is told nothing: its run goes on to the end that its leaving brings. */
function tell(socket: Socket, message: FromEngine): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  if (socket.write(toFrame(message))) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

function faultOf(thrown: unknown): Fault {
  const { code, message, hint, field } = toIsoError(thrown);
  return { code, message, ...(hint !== undefined && { hint }), ...(field !== undefined && { field }) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
