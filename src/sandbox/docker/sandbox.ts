// One container: its files, its end, what the engine counted. It is booted by backend.ts and runs one job at most.
import type { Container } from "dockerode";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import type { Policy } from "../../model/result.js";
import { step } from "../../model/steps.js";
import type { Counted, KernelFacts, Sandbox } from "../backend.js";
import type { InitProcess } from "../init-process.js";
import { namelessBytes } from "../nameless-files.js";
import type { Isolation } from "../read-back.js";
import { Remembered } from "../remembered.js";
import { deliverInto, removeSlot, type Slot } from "../slot.js";
import type { AttachedChannel } from "./attach.js";
import { killContainer, liftCpuLimit, pause, removeContainer, type State, stateOf } from "./container.js";
import { INSIDE } from "./container-options.js";
import { messageOf } from "./engine.js";
import { findHostInit } from "./host-init.js";

/** How long a supervisor that has told all may take to end, before the engine is asked to end it. */
const LEAVE_TIMEOUT_MS = 500;
const STOP_TIMEOUT_MS = 20_000;
const KILL_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
/** A first process that a signal ended has this and the signal as its exit code. */
const SIGNAL_BASE = 128;

export interface SandboxParts {
  readonly id: string;
  readonly container: Container;
  readonly channel: AttachedChannel;
  readonly slot: Slot;
  readonly user: FileOwner;
  /** Processors of the engine, where it limits their use; null where it does not. */
  readonly cpus: number | null;
  policy(facts: KernelFacts | null, isolation: Isolation | null): Policy;
  /** `removed` is false where the engine could not be told to. */
  onGone(removed: boolean): Promise<void>;
}

/** What is known once the runner has said hello. */
export interface Ready {
  readonly python: { path: string; version: string };
  /** What our own kernel tells of the container; null where it is not in our /proc. */
  readonly host: { readonly init: InitProcess; readonly isolation: Isolation } | null;
}

export class DockerSandbox implements Sandbox {
  readonly id: string;
  readonly inside = INSIDE;
  readonly ended: Promise<void>;
  readonly #parts: SandboxParts;
  #ready: Ready | null = null;
  #delivered = false;
  #mayRun = false;
  #facts: KernelFacts | null = null;
  #stopping: Promise<KernelFacts> | null = null;
  /** What failed may go well when the backend is closed. */
  readonly #disposed = new Remembered(() => this.#dispose());

  constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.ended = parts.channel.gone;
  }

  get python(): { path: string; version: string } {
    if (this.#ready === null) throw new IsoError("internal", "the sandbox has not booted");
    return this.#ready.python;
  }

  get owner(): FileOwner {
    return this.#parts.user;
  }

  get channel(): AttachedChannel {
    return this.#parts.channel;
  }

  async findInit(): Promise<InitProcess | null> {
    const { container } = this.#parts;
    const state = await stateOf(container);
    return state && findHostInit({ id: container.id, pid: state.Pid });
  }

  /** It waits for a job: nothing of it keeps an idle host process running. */
  setReady(ready: Ready): void {
    this.#ready = ready;
    this.channel.unref();
  }

  async deliver(dir: string): Promise<void> {
    this.channel.ref();
    await deliverInto(this.#parts.slot, dir);
    this.#delivered = true;
  }

  hasten(): void {
    const { container, cpus } = this.#parts;
    // An engine that cannot be told leaves the end late, no more.
    if (cpus !== null) void liftCpuLimit(container, cpus).catch(() => undefined);
  }

  async namelessBytes(): Promise<number> {
    const init = this.#ready?.host?.init ?? null;
    return init === null ? 0 : await namelessBytes(init.pid, this.#parts.slot.device);
  }

  stop(counted?: Counted): Promise<KernelFacts> {
    this.#stopping ??= this.#stop(counted);
    return this.#stopping;
  }

  /** Never rejects: an engine that cannot be asked any more is a fact as well. */
  async #stop(counted?: Counted): Promise<KernelFacts> {
    // A stream nobody reads would hold up the kill.
    this.channel.destroy();
    try {
      this.#facts = (await this.#left(counted)) ?? (await this.#killed());
    } catch (error) {
      this.#facts = { oomKills: null, processHits: null, lost: `the Docker engine was lost: ${messageOf(error)}` };
      this.#mayRun = !(await this.#killedWithoutEngine());
    }
    return this.#facts;
  }

  /** The facts of a container whose supervisor told them all, where the kernel says that it is gone: killed by us where that is ours to do, as
   * it learns that nobody hears it any more from the engine alone, which takes some milliseconds. The report alone proves no end, and the end
   * alone tells no counts: without both the engine is asked, which takes far longer. */
  async #left(counted?: Counted): Promise<KernelFacts | null> {
    const init = this.#ready?.host?.init ?? null;
    if (init === null || counted === undefined || counted.oomKills === null) return null;
    try {
      init.kill();
    } catch {
      // An engine that remaps users: then it leaves by itself.
    }
    return (await init.endsWithin(LEAVE_TIMEOUT_MS)) ? { ...counted, lost: null } : null;
  }

  async #killedWithoutEngine(): Promise<boolean> {
    const init = this.#ready?.host?.init ?? null;
    if (init === null) return false;
    try {
      init.kill();
      return await init.endsWithin(KILL_TIMEOUT_MS);
    } catch {
      // Not ours to kill, as with an engine that remaps users.
      return false;
    }
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

  /** The slot became the delivered folder itself. Of files that somebody may still be writing nothing is to be read. */
  async collect(): Promise<void> {
    const { lost } = await this.stop();
    if (!this.#mayRun) return;
    throw new IsoError("sandbox_unavailable", `The sandbox was lost: ${lost}; its program may still run.`, {
      hint: "Nothing of the run is kept. `iso-runtime doctor` checks the engine; the next start removes the container.",
    });
  }

  dispose(): Promise<void> {
    return this.#disposed.get();
  }

  async #dispose(): Promise<void> {
    await this.stop();
    step("dispose.stopped");
    const removed = await removeContainer(this.#parts.container).then(
      () => true,
      () => false,
    );
    step("dispose.container");
    if (!this.#delivered) await removeSlot(this.#parts.slot);
    await this.#parts.onGone(removed);
  }

  policy(): Policy {
    return this.#parts.policy(this.#facts, this.#ready?.host?.isolation ?? null);
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
