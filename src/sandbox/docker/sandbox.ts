// One container: its files, its end, what the engine counted. It is booted by backend.ts and runs one job at most.
import type { Container } from "dockerode";
import { IsoError } from "../../model/errors.js";
import type { Policy } from "../../model/result.js";
import type { KernelFacts, Sandbox } from "../backend.js";
import { deliverInto, removeSlot, type Slot } from "../slot.js";
import type { AttachedChannel } from "./attach.js";
import { killContainer, pause, removeContainer, type State, stateOf } from "./container.js";
import { INSIDE } from "./container-options.js";
import { messageOf } from "./engine.js";

const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 20;
/** A first process that a signal ended has this and the signal as its exit code. */
const SIGNAL_BASE = 128;

export interface SandboxParts {
  readonly id: string;
  readonly container: Container;
  readonly channel: AttachedChannel;
  readonly slot: Slot;
  policy(facts: KernelFacts | null): Policy;
  onGone(): void;
}

export class DockerSandbox implements Sandbox {
  readonly id: string;
  readonly inside = INSIDE;
  readonly ended: Promise<void>;
  readonly #parts: SandboxParts;
  #python: { path: string; version: string } | null = null;
  #delivered = false;
  #facts: KernelFacts | null = null;
  #stopping: Promise<KernelFacts> | null = null;
  #disposing: Promise<void> | null = null;

  constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.ended = parts.channel.gone;
  }

  get python(): { path: string; version: string } {
    if (this.#python === null) throw new IsoError("internal", "the sandbox has not booted");
    return this.#python;
  }

  get channel(): AttachedChannel {
    return this.#parts.channel;
  }

  /** It waits for a job: nothing of it keeps an idle host process running. */
  setReady(python: { path: string; version: string }): void {
    this.#python = python;
    this.channel.unref();
  }

  async deliver(dir: string): Promise<void> {
    this.channel.ref();
    await deliverInto(this.#parts.slot, dir);
    this.#delivered = true;
  }

  stop(): Promise<KernelFacts> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Never rejects: an engine that cannot be asked any more is a fact as well. */
  async #stop(): Promise<KernelFacts> {
    // A stream nobody reads would hold up the kill.
    this.channel.destroy();
    try {
      this.#facts = await this.#killed();
    } catch (error) {
      this.#facts = { oomKills: null, processHits: null, lost: `the Docker engine was lost: ${messageOf(error)}` };
    }
    return this.#facts;
  }

  async #killed(): Promise<KernelFacts> {
    const { container } = this.#parts;
    const until = performance.now() + STOP_TIMEOUT_MS;
    for (let kills = 0; performance.now() < until; kills += 1) {
      const state = await stateOf(container);
      if (state === null) return { oomKills: null, processHits: null, lost: "somebody else removed the container" };
      if (!state.Running) return factsOf(state, kills > 0);
      await killContainer(container);
      await pause(POLL_MS);
    }
    throw new Error(`the container did not die within ${STOP_TIMEOUT_MS / 1000} s`);
  }

  /** The slot became the delivered folder itself. */
  async collect(): Promise<void> {
    await this.stop();
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.stop();
    // What an engine that was lost still has of it is removed at the next start.
    await removeContainer(this.#parts.container).catch(() => undefined);
    if (!this.#delivered) await removeSlot(this.#parts.slot);
    this.#parts.onGone();
  }

  policy(): Policy {
    return this.#parts.policy(this.#facts);
  }

  engineLog(): string[] {
    return this.channel.logLines();
  }
}

/** `OOMKilled` is true where any process of the container was killed; the supervisor's own count, where there is one, is exact. */
function factsOf({ OOMKilled, ExitCode, Error: trouble }: State, killedByUs: boolean): KernelFacts {
  const facts = { oomKills: OOMKilled ? 1 : 0, processHits: null };
  if (trouble) return { ...facts, lost: `the Docker engine says: ${trouble.slice(0, 500)}` };
  if (killedByUs || OOMKilled || ExitCode <= SIGNAL_BASE) return { ...facts, lost: null };
  return { ...facts, lost: `somebody else ended the container, by signal ${ExitCode - SIGNAL_BASE}` };
}
