// One booted sandbox: its files, its end, what was counted. It is booted by backend.ts and runs one job at most.
import { once } from "node:events";
import { Socket } from "node:net";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import type { Policy } from "../../model/result.js";
import { step } from "../../model/steps.js";
import type { HostUser, KernelFacts, Sandbox } from "../backend.js";
import type { InitProcess } from "../init-process.js";
import { namelessBytes } from "../nameless-files.js";
import type { Profile } from "../profile.js";
import type { Isolation } from "../read-back.js";
import { deliverInto, removeSlot, type Slot } from "../slot.js";
import { INSIDE } from "./args.js";
import type { Counts, SandboxGroup } from "./cgroup-group.js";
import type { EngineLog } from "./engine-log.js";
import { type Held, policyOf } from "./limits.js";
import { endEngines } from "./orphans.js";
import type { Engine } from "./spawn.js";

/** After the namespace's first process was killed the engine ends by itself; one that hangs is killed as well. */
const ENGINE_PATIENCE_MS = 5_000;
const STDERR_PATIENCE_MS = 1_000;

export interface SandboxParts {
  readonly id: string;
  /** Of its control group, and what its engine is marked with. */
  readonly name: string;
  readonly profile: Profile;
  readonly slot: Slot;
  readonly user: HostUser;
  readonly group: SandboxGroup;
  readonly engine: Engine;
  readonly log: EngineLog;
  readonly onGone: () => void;
}

/** What is known once the runner has said hello. */
export interface Ready {
  readonly python: { path: string; version: string };
  readonly isolation: Isolation;
  readonly held: Held;
}

export class BubblewrapSandbox implements Sandbox {
  readonly id: string;
  readonly inside = INSIDE;
  readonly ended: Promise<void>;
  readonly #parts: SandboxParts;
  #init: InitProcess | null = null;
  #ready: Ready | null = null;
  #delivered = false;
  #stopping: Promise<KernelFacts> | null = null;
  #disposing: Promise<void> | null = null;
  #counts: Counts | null = null;
  #lost: string | null = null;

  constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.ended = new Promise((resolve) => {
      parts.engine.child.once("exit", (_code, signal) => {
        if (signal !== null && this.#stopping === null) this.#lost = `the sandbox engine was killed by ${signal}`;
        resolve();
      });
    });
  }

  get python(): { path: string; version: string } {
    return this.#known.python;
  }

  get owner(): FileOwner {
    return this.#parts.user;
  }

  get #known(): Ready {
    if (this.#ready === null) throw new IsoError("internal", "the sandbox has not booted");
    return this.#ready;
  }

  get channel(): Socket {
    return this.#parts.engine.control;
  }

  /** From here on the namespace can be ended through its first process. */
  setInit(init: InitProcess): void {
    this.#init = init;
  }

  /** It waits for a job: nothing of it keeps an idle host process running. */
  setReady(ready: Ready): void {
    this.#ready = ready;
    const { child, control, status, stderr } = this.#parts.engine;
    child.unref();
    for (const stream of [control, status, stderr]) if (stream instanceof Socket) stream.unref();
  }

  async deliver(dir: string): Promise<void> {
    this.#parts.engine.child.ref();
    this.channel.ref();
    await deliverInto(this.#parts.slot, dir);
    this.#delivered = true;
  }

  hasten(): void {
    this.#parts.group.liftCpuLimit();
  }

  async namelessBytes(): Promise<number> {
    return this.#init === null ? 0 : await namelessBytes(this.#init.pid, this.#parts.slot.device);
  }

  stop(): Promise<KernelFacts> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<KernelFacts> {
    const { engine, group, log } = this.#parts;
    engine.child.ref();
    if (this.#init === null) engine.child.kill("SIGKILL");
    else this.#init.kill();
    this.hasten();
    const impatient = setTimeout(() => engine.child.kill("SIGKILL"), ENGINE_PATIENCE_MS);
    await this.ended;
    clearTimeout(impatient);
    // An engine that was killed itself leaves the namespace to its parent-death signal, or to us.
    if (this.#init === null) await endEngines(async (sandbox) => sandbox === this.#parts.name);
    else await this.#init.gone();
    await group.kill();
    engine.block.destroy();
    engine.status.destroy();
    await settledWithin(log.ended, STDERR_PATIENCE_MS);
    engine.stderr.destroy();
    this.#counts = group.counts();
    if (!(await group.remove())) log.note(`control groups could not be removed: ${group.folders.join(", ")}`);
    return { ...this.#counts, lost: this.#lost };
  }

  /** The slot became the delivered folder itself, so the program's files are where they belong. */
  async collect(): Promise<void> {
    await this.stop();
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    await this.stop();
    step("dispose.stopped");
    const closed = once(this.channel, "close");
    if (!this.channel.closed) {
      this.channel.destroy();
      await closed;
    }
    if (!this.#delivered) await removeSlot(this.#parts.slot);
    step("dispose.slot");
    this.#parts.onGone();
  }

  policy(): Policy {
    const { profile, group } = this.#parts;
    const { isolation, held } = this.#known;
    return policyOf({ profile, group, isolation, held, counts: this.#counts ?? group.counts() });
  }

  engineLog(): string[] {
    return [...this.#parts.group.warnings, ...this.#parts.log.lines()];
  }
}

async function settledWithin(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, patience]);
  clearTimeout(timer);
}
