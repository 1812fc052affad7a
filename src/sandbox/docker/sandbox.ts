// One container: its files, its end, what the engine counted. It is booted by backend.ts and runs one job at most.
import type { Container } from "dockerode";
import type { Policy } from "../../model/result.js";
import type { KernelFacts, Sandbox } from "../backend.js";
import { deliverInto, removeSlot, type Slot } from "../slot.js";
import type { AttachedChannel } from "./attach.js";
import { INSIDE } from "./container-options.js";
import { inTime, messageOf, statusOf } from "./engine.js";

const STOP_TIMEOUT_MS = 20_000;
const REMOVE_ATTEMPTS = 10;
const POLL_MS = 20;

export interface SandboxParts {
  readonly id: string;
  readonly container: Container;
  readonly channel: AttachedChannel;
  readonly slot: Slot;
  readonly python: { path: string; version: string };
  policy(facts: KernelFacts | null): Policy;
  onGone(): void;
}

interface State {
  Running: boolean;
  OOMKilled: boolean;
  Error: string;
}

export class DockerSandbox implements Sandbox {
  readonly id: string;
  readonly inside = INSIDE;
  readonly python: { path: string; version: string };
  readonly channel: AttachedChannel;
  readonly ended: Promise<void>;
  readonly #parts: SandboxParts;
  #delivered = false;
  #facts: KernelFacts | null = null;
  #stopping: Promise<KernelFacts> | null = null;
  #disposing: Promise<void> | null = null;

  constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.python = parts.python;
    this.channel = parts.channel;
    this.#parts = parts;
    // The attach stream ends with the container, and with the daemon too.
    this.ended = new Promise((resolve) => {
      if (parts.channel.destroyed) resolve();
      else parts.channel.once("close", resolve);
    });
    this.channel.unref();
  }

  async deliver(dir: string): Promise<void> {
    this.channel.ref();
    await deliverInto(this.#parts.slot, dir);
    this.#delivered = true;
  }

  stop(): Promise<KernelFacts> {
    this.#stopping ??= this.#stop().then((facts) => {
      this.#facts = facts;
      return facts;
    });
    return this.#stopping;
  }

  /** Never rejects: an engine that cannot be asked any more is a fact as well. */
  async #stop(): Promise<KernelFacts> {
    // A stream nobody reads would hold up the kill.
    this.channel.destroy();
    try {
      return await inTime(this.#killed(), "stop the container", STOP_TIMEOUT_MS);
    } catch (error) {
      return { oomKills: null, processHits: null, lost: `the Docker engine was lost: ${messageOf(error)}` };
    }
  }

  async #killed(): Promise<KernelFacts> {
    const { container } = this.#parts;
    for (let state = await this.#state(); state; state = await this.#state()) {
      if (!state.Running) {
        // True where any process of the container was killed; the supervisor's own count, where there is one, is exact.
        const lost = state.Error ? `the Docker engine says: ${state.Error.slice(0, 500)}` : null;
        return { oomKills: state.OOMKilled ? 1 : 0, processHits: null, lost };
      }
      await container.kill().catch((error) => {
        if (statusOf(error) !== 409 && statusOf(error) !== 404) throw error;
      });
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return { oomKills: null, processHits: null, lost: "somebody else removed the container" };
  }

  async #state(): Promise<State | null> {
    try {
      const { State: state } = await this.#parts.container.inspect();
      return state;
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
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

/** Removes a container in whatever state; fine where it is gone. */
export async function removeContainer(container: Container): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await inTime(container.remove({ force: true, v: true }), "remove the container");
      return;
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return;
      // 409: a removal is under way; 500: the engine is between two states.
      if (attempt >= REMOVE_ATTEMPTS || (status !== 409 && status !== 500)) throw error;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS * attempt));
    }
  }
}
