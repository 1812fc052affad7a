// The backend that runs each sandbox in bubblewrap. This file is the story of a boot; what the host must have is found out once
// and kept.
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import { MiB } from "../../model/limits.js";
import { step } from "../../model/steps.js";
import type { BackendContext, HostUser, Probe, Sandbox, SandboxBackend } from "../backend.js";
import { InitProcess } from "../init-process.js";
import { NOTHING, type Without } from "../layers.js";
import { groupName } from "../linux/cgroup.js";
import type { SandboxGroup } from "../linux/cgroup-group.js";
import { REAL_HOST } from "../linux/cgroup-host.js";
import { keepCompiled } from "../linux/compiled-packages.js";
import { EngineLog } from "../linux/engine-log.js";
import {
  bootFailure,
  HELLO_TIMEOUT_MS,
  type LinuxHost,
  makeGroup,
  prepareHost,
  proven,
  reapEngines,
  tmpfsBytes,
} from "../linux/host.js";
import { findInterpreter, type Interpreter } from "../linux/interpreter.js";
import { type InterpreterMounts, interpreterMounts } from "../linux/interpreter-mounts.js";
import { planLaunch } from "../linux/launch.js";
import { markOf } from "../linux/orphans.js";
import { explainRefusal } from "../linux/refusal.js";
import { LinuxSandbox } from "../linux/sandbox.js";
import { hostFolders } from "../linux/without.js";
import type { Profile } from "../profile.js";
import { readHello } from "../protocol/channel.js";
import { Remembered } from "../remembered.js";
import { makeSlot, removeSlot } from "../slot.js";
import { bwrapArguments } from "./args.js";
import { readChildPid } from "./child-pid.js";
import { type BwrapProgram, findBwrap, readOsRelease } from "./engine.js";
import { probeHost } from "./probe.js";
import { type Engine, FD, RunningBwrap, startBwrap } from "./start.js";
import { weakened } from "./weaken.js";

interface Host extends LinuxHost {
  readonly bwrap: BwrapProgram;
}

interface Python {
  readonly interpreter: Interpreter;
  readonly mounts: InterpreterMounts;
}

interface Order {
  /** What the engine is marked with. */
  readonly name: string;
  readonly slotDir: string;
  readonly user: HostUser;
  readonly profile: Profile;
}

export class BubblewrapBackend implements SandboxBackend {
  readonly name = "bubblewrap";
  readonly waitingBytes = 12 * MiB;
  readonly #context: BackendContext;
  readonly #without: Without;
  readonly #isRoot = process.getuid?.() === 0;
  readonly #live = new Set<LinuxSandbox>();
  readonly #host = new Remembered(() => this.#prepare());
  #closed = false;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#without = context.without ?? NOTHING;
  }

  probe(): Promise<Probe> {
    const { searchPath, python, facts, users } = this.#context;
    const wanted = { searchPath, python, users, ...(facts && { facts }) };
    return probeHost({ roots: REAL_HOST, platform: process.platform, ...wanted, isRoot: this.#isRoot });
  }

  async boot(profile: Profile, onOwner?: (owner: FileOwner) => void): Promise<Sandbox> {
    if (this.#closed) throw new IsoError("internal", "the bubblewrap backend was closed");
    const user = await this.#context.users.lease();
    onOwner?.(user);
    try {
      return await this.#boot(profile, user);
    } catch (error) {
      // Whatever was started is gone by now.
      user.release();
      throw error;
    }
  }

  async #boot(profile: Profile, user: HostUser): Promise<Sandbox> {
    const [host, python] = await Promise.all([this.#host.get(), this.#python(profile)]);
    await keepCompiled(python.interpreter, host.files.packages);
    const slot = makeSlot(this.#context);
    const id = randomBytes(8).toString("hex");
    const { instance } = this.#context;
    const name = groupName(instance.rootId, instance.id, id);
    const group = makeGroup(host, name, profile.limits, this.#without);
    let sandbox: LinuxSandbox | null = null;
    try {
      step("boot.slot");
      const engine = await this.#start(host, python, { name, slotDir: slot.dir, user, profile });
      const log = new EngineLog(engine.stderr);
      if (host.cgroupTrouble !== null) log.note(host.cgroupTrouble);
      const onGone = () => {
        this.#live.delete(booting);
        user.release();
      };
      const running = new RunningBwrap(engine, log, name);
      const booting = new LinuxSandbox({ id, profile, slot, user, group, engine: running, log, onGone });
      sandbox = booting;
      this.#live.add(booting);
      step("boot.engine");
      await this.#finishBoot(booting, engine, group);
      return booting;
    } catch (error) {
      throw await bootFailure(error, sandbox, profile, (said) => explainRefusal(REAL_HOST, said));
    } finally {
      if (sandbox === null) {
        await group.remove();
        await removeSlot(slot);
      }
    }
  }

  async #start(host: Host, { interpreter, mounts }: Python, { name, slotDir, user, profile }: Order): Promise<Engine> {
    const { files, bwrap, root } = host;
    const runner = join(files.packages, "iso_runner");
    const launch = planLaunch({
      user,
      isRoot: this.#isRoot && !this.#without.has("host-uid"),
      program: bwrap.path,
      descriptors: Object.values(FD),
      hostPython: interpreter.executable,
      readOnly: [runner, ...files.etc.map(({ source }) => source), ...mounts.binds],
      writable: [slotDir, ...hostFolders(this.#without)],
    });
    const args = bwrapArguments({
      canDisableUserns: bwrap.canDisableUserns,
      root,
      interpreter: mounts,
      python: interpreter.executable,
      slotDir: launch.sourceOf(slotDir),
      runnerPackage: launch.sourceOf(runner),
      etcFiles: files.etc.map(({ source, dest }) => ({ source: launch.sourceOf(source), dest })),
      sourceOf: launch.sourceOf,
      tmpfsBytes: tmpfsBytes(profile.limits),
    });
    const filter = files.openFilter();
    try {
      const engine = launch.command(weakened(args, this.#without, launch.sourceOf));
      return await startBwrap(
        { ...engine, inheritsEnvironment: this.#without.has("environment") },
        filter,
        markOf(name),
      );
    } finally {
      closeSync(filter);
    }
  }

  /** The sandbox waits until it is in its control group; nothing of it runs unbounded. */
  async #finishBoot(sandbox: LinuxSandbox, engine: Engine, group: SandboxGroup): Promise<void> {
    const pid = await readChildPid(engine.status, HELLO_TIMEOUT_MS);
    if (pid === null) throw new Error(`bubblewrap made no sandbox, or not within ${HELLO_TIMEOUT_MS / 1000} s`);
    const init = new InitProcess(pid);
    sandbox.setInit(init);
    group.join(pid);
    step("boot.joined");
    engine.block.end("\n");
    const hello = await readHello(engine.control, HELLO_TIMEOUT_MS);
    step("boot.hello");
    sandbox.setReady(proven(init, hello.python, group, this.#without));
  }

  async #prepare(): Promise<Host> {
    const bwrap = await findBwrap(this.#context.searchPath, readOsRelease(REAL_HOST.root));
    return { bwrap, ...prepareHost(this.#context, this.name, this.#isRoot) };
  }

  async #python({ python, packages }: Profile): Promise<Python> {
    const { searchPath, facts } = this.#context;
    const interpreter = await findInterpreter({ chosen: python ?? this.#context.python, searchPath, packages, facts });
    return { interpreter, mounts: interpreterMounts(interpreter) };
  }

  async reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
    await reapEngines(this.#context.instance.rootId, isAlive);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#live].map((sandbox) => sandbox.dispose()));
    await (await this.#host.there())?.files.remove();
  }
}
