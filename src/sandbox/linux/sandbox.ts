// One booted sandbox on this kernel: its files, its end, what was counted. An engine's backend boots it, and it runs one job at most.
import { once } from "node:events";
import type { Socket } from "node:net";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import type { Policy } from "../../model/result.js";
import { step } from "../../model/steps.js";
import type { Counted, KernelFacts, Sandbox } from "../backend.js";
import type { InitProcess } from "../init-process.js";
import { namelessBytes } from "../nameless-files.js";
import type { Profile } from "../profile.js";
import type { Isolation } from "../read-back.js";
import { Remembered } from "../remembered.js";
import { deliverInto, removeSlot, type Slot } from "../slot.js";
import type { Counts, SandboxGroup } from "./cgroup-group.js";
import type { EngineLog } from "./engine-log.js";
import { INSIDE } from "./inside.js";
import { type Held, policyOf } from "./limits.js";

/** After the namespace's first process was killed the engine ends by itself; one that hangs is killed as well. */
const ENGINE_PATIENCE_MS = 5_000;

/** Before its end. */
const NOT_COUNTED: Counts = { oomKills: null, processHits: null };

/** What made the sandbox and keeps it, as its sandbox needs to know it. */
export interface RunningEngine {
  /** To the supervisor. */
  readonly control: Socket;
  /** Settles when the engine of this sandbox has ended. */
  readonly ended: Promise<void>;
  /** Why it ended where nobody here asked it to; null while it runs, and where it ended by itself. */
  readonly lost: string | null;
  /** Whether its end keeps this process waiting. */
  ref(): void;
  unref(): void;
  /** Of an engine that made no first process yet, or hangs. */
  kill(): void;
  /** After `kill` of one whose first process was never told: resolves when nothing of it is left. */
  endUnknown(): Promise<void>;
  /** Lets go of what it held beside the control socket. */
  release(): Promise<void>;
}

export interface SandboxParts {
  readonly id: string;
  readonly profile: Profile;
  readonly slot: Slot;
  readonly user: FileOwner;
  readonly group: SandboxGroup;
  readonly engine: RunningEngine;
  readonly log: EngineLog;
  readonly onGone: () => void;
}

/** What is known once the runner has said hello. */
export interface Ready {
  readonly python: { path: string; version: string };
  readonly isolation: Isolation;
  readonly held: Held;
}

export class LinuxSandbox implements Sandbox {
  readonly id: string;
  readonly inside = INSIDE;
  readonly ended: Promise<void>;
  readonly #parts: SandboxParts;
  #init: InitProcess | null = null;
  #ready: Ready | null = null;
  #delivered = false;
  #stopping: Promise<KernelFacts> | null = null;
  /** Resolves when nothing of it is left. */
  #over: Promise<void> | null = null;
  /** What failed may go well when the backend is closed. */
  readonly #disposed = new Remembered(() => this.#dispose());
  #counts: Counts | null = null;
  #lost: string | null = null;

  constructor(parts: SandboxParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.ended = parts.engine.ended.then(() => {
      this.#lost = parts.engine.lost;
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
    this.channel.unref();
    this.#parts.engine.unref();
  }

  async deliver(dir: string): Promise<void> {
    this.#parts.engine.ref();
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

  stop(counted?: Counted): Promise<KernelFacts> {
    this.#stopping ??= this.#stop(counted !== undefined);
    return this.#stopping;
  }

  /** A first process that reported an end is alone by then, so that it is enough to see that it runs no further. */
  async #stop(hasReported: boolean): Promise<KernelFacts> {
    const { engine, group } = this.#parts;
    engine.ref();
    if (this.#init === null) engine.kill();
    else this.#init.kill();
    const isStill = hasReported ? this.#isStill() : Promise.resolve(false);
    this.hasten();
    const over = this.#untilOver();
    this.#over = over;
    // What fails after that is told to who disposes of it.
    over.catch(() => undefined);
    await Promise.race([over, isStill.then((still) => (still ? undefined : over))]);
    this.#counts = group.counts();
    return { ...this.#counts, lost: this.#lost };
  }

  /** Asked in this order: what its first process started before its last moment is in the group by then. */
  async #isStill(): Promise<boolean> {
    return this.#init !== null && (await this.#init.runsNoMore()) && this.#parts.group.holdsNoneBut(this.#init.pid);
  }

  async #untilOver(): Promise<void> {
    const { engine, group } = this.#parts;
    const impatient = setTimeout(() => engine.kill(), ENGINE_PATIENCE_MS);
    await this.ended;
    clearTimeout(impatient);
    // An engine that was killed itself leaves the namespace to its parent-death signal, or to us.
    if (this.#init === null) await engine.endUnknown();
    else await this.#init.gone();
    await group.kill();
    await engine.release();
  }

  /** The slot became the delivered folder itself, so the program's files are where they belong. */
  async collect(): Promise<void> {
    await this.stop();
  }

  dispose(): Promise<void> {
    return this.#disposed.get();
  }

  async #dispose(): Promise<void> {
    // Where the end itself failed, that may go well now, and is this caller's to hear where it does not.
    await this.stop().catch((error) => {
      if (this.#over === null) throw error;
    });
    await this.#over?.catch(() => this.#untilOver());
    step("dispose.stopped");
    const { group, log } = this.#parts;
    if (!(await group.remove())) log.note(`control groups could not be removed: ${group.folders.join(", ")}`);
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
    return policyOf({ profile, group, isolation, held, counts: this.#counts ?? NOT_COUNTED });
  }

  engineLog(): string[] {
    return [...this.#parts.group.warnings, ...this.#parts.log.lines()];
  }
}
