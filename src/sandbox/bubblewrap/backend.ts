// The backend that runs each sandbox in bubblewrap. This file is the story of a boot; what the host must have is found out once
// and kept.
import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import { step } from "../../model/steps.js";
import type { BackendContext, HostUser, Probe, Sandbox, SandboxBackend } from "../backend.js";
import { InitProcess } from "../init-process.js";
import { NOTHING, overlooked, type Without } from "../layers.js";
import type { Profile } from "../profile.js";
import { readHello } from "../protocol/channel.js";
import { type Demands, readCeilings, readIsolation } from "../read-back.js";
import { makeSlot, removeSlot } from "../slot.js";
import { bwrapArguments } from "./args.js";
import { type CgroupPlan, groupName, groupOwner, planCgroups, prepareCgroups, reapGroups } from "./cgroup.js";
import { SandboxGroup } from "./cgroup-group.js";
import { REAL_HOST } from "./cgroup-host.js";
import { readChildPid } from "./child-pid.js";
import { type BwrapProgram, findBwrap, readOsRelease } from "./engine.js";
import { type EngineFiles, makeEngineFiles } from "./engine-files.js";
import { EngineLog } from "./engine-log.js";
import { findInterpreter, type Interpreter } from "./interpreter.js";
import { type InterpreterMounts, interpreterMounts } from "./interpreter-mounts.js";
import { planLaunch } from "./launch.js";
import { endEngines, markOf } from "./orphans.js";
import { probeHost } from "./probe.js";
import { explainRefusal } from "./refusal.js";
import { type RootLayout, readRootLayout } from "./root-layout.js";
import { BubblewrapSandbox } from "./sandbox.js";
import { type Engine, startEngine } from "./spawn.js";
import { hostFolders, placesFor, unbounded, weakened } from "./weaken.js";

const DEMANDS: Demands = { namespaces: ["user", "mnt", "pid", "net", "ipc"], seccomp: true, said: [] };
/** Time for the runner to say hello; a machine under load takes seconds. */
const HELLO_TIMEOUT_MS = 30_000;
/** A share of the memory limit, which they count against where a control group enforces it. */
const TMPFS_SHARE = 0.5;

interface Host {
  readonly bwrap: BwrapProgram;
  readonly cgroups: CgroupPlan;
  /** Why control groups cannot be used although they were found; for each sandbox's log. */
  readonly cgroupTrouble: string | null;
  readonly root: RootLayout;
  readonly files: EngineFiles;
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
  readonly #context: BackendContext;
  readonly #without: Without;
  readonly #isRoot = process.getuid?.() === 0;
  readonly #live = new Set<BubblewrapSandbox>();
  #host: Promise<Host> | null = null;
  #closed = false;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#without = context.without ?? NOTHING;
  }

  probe(): Promise<Probe> {
    const { searchPath, python, users } = this.#context;
    return probeHost({ roots: REAL_HOST, platform: process.platform, searchPath, python, users, isRoot: this.#isRoot });
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
    const [host, python] = await Promise.all([this.#prepared(), this.#python(profile)]);
    const slot = makeSlot(this.#context);
    const id = randomBytes(8).toString("hex");
    const { instance } = this.#context;
    const { cgroups, cgroupTrouble } = host;
    const places = cgroupTrouble === null ? placesFor(cgroups.places, this.#without) : new Map();
    const name = groupName(instance.rootId, instance.id, id);
    const group = new SandboxGroup(cgroups.version, places, name, unbounded(profile.limits, this.#without));
    let sandbox: BubblewrapSandbox | null = null;
    try {
      step("boot.slot");
      const engine = await this.#start(host, python, { name, slotDir: slot.dir, user, profile });
      const log = new EngineLog(engine.stderr);
      if (cgroupTrouble !== null) log.note(cgroupTrouble);
      const onGone = () => {
        this.#live.delete(booting);
        user.release();
      };
      const booting = new BubblewrapSandbox({ id, name, profile, slot, user, group, engine, log, onGone });
      sandbox = booting;
      this.#live.add(booting);
      step("boot.engine");
      await this.#finishBoot(booting, engine, group);
      return booting;
    } catch (error) {
      throw await this.#bootFailed(error, sandbox, profile);
    } finally {
      if (sandbox === null) {
        await group.remove();
        await removeSlot(slot);
      }
    }
  }

  async #start(host: Host, { interpreter, mounts }: Python, { name, slotDir, user, profile }: Order): Promise<Engine> {
    const { files, bwrap, root } = host;
    const launch = planLaunch({
      user,
      isRoot: this.#isRoot && !this.#without.has("host-uid"),
      bwrap: bwrap.path,
      hostPython: interpreter.executable,
      readOnly: [files.runnerPackage, ...files.etc.map(({ source }) => source), ...mounts.binds],
      writable: [slotDir, ...hostFolders(this.#without)],
    });
    const args = bwrapArguments({
      canDisableUserns: bwrap.canDisableUserns,
      root,
      interpreter: mounts,
      python: interpreter.executable,
      slotDir: launch.sourceOf(slotDir),
      runnerPackage: launch.sourceOf(files.runnerPackage),
      etcFiles: files.etc.map(({ source, dest }) => ({ source: launch.sourceOf(source), dest })),
      sourceOf: launch.sourceOf,
      tmpfsBytes: Math.floor(profile.limits.memory * TMPFS_SHARE),
    });
    const filter = files.openFilter();
    try {
      const engine = launch.command(weakened(args, this.#without, launch.sourceOf));
      return await startEngine(
        { ...engine, inheritsEnvironment: this.#without.has("environment") },
        filter,
        markOf(name),
      );
    } finally {
      closeSync(filter);
    }
  }

  /** The sandbox waits until it is in its control group; nothing of it runs unbounded. */
  async #finishBoot(sandbox: BubblewrapSandbox, engine: Engine, group: SandboxGroup): Promise<void> {
    const pid = await readChildPid(engine.status, HELLO_TIMEOUT_MS);
    if (pid === null) throw new Error(`bubblewrap made no sandbox, or not within ${HELLO_TIMEOUT_MS / 1000} s`);
    sandbox.setInit(new InitProcess(pid));
    group.join(pid);
    step("boot.joined");
    engine.block.end("\n");
    const hello = await readHello(engine.control, HELLO_TIMEOUT_MS);
    step("boot.hello");
    const demands = { ...DEMANDS, overlook: overlooked(this.#without) };
    const held = { ceilings: readCeilings(pid), memory: group.heldMemory() };
    sandbox.setReady({ python: hello.python, isolation: readIsolation(pid, demands), held });
  }

  async #bootFailed(error: unknown, sandbox: BubblewrapSandbox | null, profile: Profile): Promise<IsoError> {
    const facts = await sandbox?.stop();
    await sandbox?.dispose();
    if (error instanceof IsoError) return error;
    if ((facts?.oomKills ?? 0) > 0) {
      return new IsoError(
        "sandbox_unavailable",
        `The memory limit of ${profile.limits.memory} bytes is too small for Python to start.`,
        { hint: "Raise the profile's `memory`.", cause: error },
      );
    }
    const said = sandbox?.engineLog() ?? [];
    const reason = error instanceof Error ? error.message : String(error);
    const hint = explainRefusal(REAL_HOST, said.join("\n"));
    return new IsoError(
      "sandbox_unavailable",
      `The sandbox did not start: ${[reason, ...said.slice(0, 20)].join("; ")}.`,
      {
        cause: error,
        ...(hint !== null && { hint: `${hint.message} ${hint.fix}` }),
      },
    );
  }

  #prepared(): Promise<Host> {
    if (this.#host === null) {
      const host = this.#prepare();
      this.#host = host;
      // What is missing may be there at the next attempt.
      host.catch(() => {
        this.#host = null;
      });
    }
    return this.#host;
  }

  async #prepare(): Promise<Host> {
    const bwrap = await findBwrap(this.#context.searchPath, readOsRelease(REAL_HOST.root));
    const cgroups = planCgroups(REAL_HOST, this.#isRoot);
    let cgroupTrouble: string | null = null;
    try {
      prepareCgroups(cgroups);
    } catch (error) {
      cgroupTrouble = `control groups cannot be used: ${error instanceof Error ? error.message : String(error)}`;
    }
    const root = readRootLayout(REAL_HOST.root);
    return { bwrap, cgroups, cgroupTrouble, root, files: makeEngineFiles(this.#context) };
  }

  async #python({ python, packages }: Profile): Promise<Python> {
    const { searchPath } = this.#context;
    const interpreter = await findInterpreter({ chosen: python ?? this.#context.python, searchPath, packages });
    return { interpreter, mounts: interpreterMounts(interpreter) };
  }

  async reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
    const { rootId } = this.#context.instance;
    await endEngines(async (sandbox) => {
      const owner = groupOwner(sandbox, rootId);
      return owner !== null && !(await isAlive(owner));
    });
    await reapGroups(REAL_HOST, rootId, isAlive);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#live].map((sandbox) => sandbox.dispose()));
    const host = await this.#host?.catch(() => null);
    await host?.files.remove();
  }
}
