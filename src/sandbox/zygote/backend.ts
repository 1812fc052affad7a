// The backend that forks each sandbox from a prepared interpreter. This file is the story of a boot; what the host must have is found
// out once and kept.
import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import { MiB } from "../../model/limits.js";
import { step } from "../../model/steps.js";
import type { BackendContext, HostUser, HostUsers, Probe, Sandbox, SandboxBackend } from "../backend.js";
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
import { findInterpreter } from "../linux/interpreter.js";
import { interpreterMounts } from "../linux/interpreter-mounts.js";
import { planLaunch } from "../linux/launch.js";
import { markOf } from "../linux/orphans.js";
import { explainRefusal } from "../linux/refusal.js";
import { LinuxSandbox } from "../linux/sandbox.js";
import { hostFolders } from "../linux/without.js";
import type { Profile } from "../profile.js";
import { readHello } from "../protocol/channel.js";
import { Remembered } from "../remembered.js";
import { makeSlot, removeSlot, SpareSlots } from "../slot.js";
import { Door, SLOT_ID_CHARS } from "./door.js";
import { CONTROL_FD, type Forked, Launcher } from "./launcher.js";
import { launcherPlan } from "./plan.js";
import { probeZygote } from "./probe.js";
import { RunningSlot } from "./running-slot.js";
import { type Held, LauncherStock, retire } from "./stock.js";

/** To a first process that waits: go on. */
const GO = "\n";
/** What libraries that compute start a thread for each processor by; a launcher has one thread. */
const ONE_THREAD = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
/** What the dynamic linker looks up late, each fork would look up for itself: some fifteen pages a process. */
const LOOK_UP_EARLY = { LD_BIND_NOW: "1" };
const LOCALE = { LANG: "C.UTF-8", LC_ALL: "C.UTF-8" };
const ENVIRONMENT = { PATH: "/usr/local/bin:/usr/bin:/bin", ...LOCALE, ...LOOK_UP_EARLY, ...ONE_THREAD };
const OURSELVES: FileOwner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

export class ZygoteBackend implements SandboxBackend {
  readonly name = "zygote";
  readonly waitingBytes = 8 * MiB;
  readonly #context: BackendContext;
  readonly #without: Without;
  readonly #isRoot = process.getuid?.() === 0;
  readonly #live = new Map<Sandbox, Held>();
  /** By what launchers differ in: the interpreter, and what it loads ahead. */
  readonly #stocks = new Map<string, LauncherStock>();
  readonly #host = new Remembered(async () => prepareHost(this.#context, this.name, this.#isRoot));
  readonly #door = new Remembered(() => Door.open());
  #closed = false;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#without = context.without ?? NOTHING;
  }

  probe(): Promise<Probe> {
    return probeZygote(this.#context, { roots: REAL_HOST, platform: process.platform, isRoot: this.#isRoot });
  }

  tenantOf(sandbox: Sandbox): string | null {
    return this.#live.get(sandbox)?.tenant ?? null;
  }

  adopt(sandbox: Sandbox, tenant: string): void {
    const held = this.#live.get(sandbox);
    held?.stock.adopt(held, tenant);
  }

  isOutdated(sandbox: Sandbox): boolean {
    return this.#live.get(sandbox)?.isRetired === true;
  }

  async boot(profile: Profile, onOwner?: (owner: FileOwner) => void, tenant: string | null = null): Promise<Sandbox> {
    this.#refuseClosed();
    const host = await this.#host.get();
    const held = await this.#stock(profile).take(tenant);
    try {
      onOwner?.(held.launcher.sandboxUser);
      this.#refuseClosed();
      return await this.#bootFrom(held, host, profile);
    } finally {
      held.launcher.unreserve();
      // Nothing more comes from it: it ends with its sandbox, while this process is still at the run's end.
      if (this.#context.isForOne) retire(held);
    }
  }

  async #bootFrom(held: Held, host: LinuxHost, profile: Profile): Promise<Sandbox> {
    const { instance } = this.#context;
    const slot = makeSlot({ instance, slotsDir: host.files.slotsDir }, held.launcher.spareSlots);
    const id = randomBytes(SLOT_ID_CHARS / 2).toString("hex");
    const group = makeGroup(host, groupName(instance.rootId, instance.id, id), profile.limits, this.#without);
    let sandbox: LinuxSandbox | null = null;
    try {
      step("boot.slot");
      const bounds = { tmpfsBytes: tmpfsBytes(profile.limits), doors: group.doors(held.launcher.own) };
      const forked = await held.launcher.fork({ id, folder: basename(slot.dir), ...bounds });
      const log = new EngineLog(null);
      if (host.cgroupTrouble !== null) log.note(host.cgroupTrouble);
      const onGone = () => void this.#live.delete(booting);
      const { sandboxUser: user } = held.launcher;
      const engine = new RunningSlot(held.launcher, forked);
      const booting = new LinuxSandbox({ id, profile, slot, user, group, engine, log, onGone });
      sandbox = booting;
      this.#live.set(booting, held);
      booting.setInit(forked.init);
      step("boot.engine");
      await this.#finishBoot(booting, forked, group);
      return booting;
    } catch (error) {
      throw await bootFailure(error, sandbox, profile, (said) => explainRefusal(REAL_HOST, said, "zygote"));
    } finally {
      if (sandbox === null) {
        await group.remove();
        await removeSlot(slot);
      }
    }
  }

  /** The sandbox waits until it is in its control group, and again until it was looked at; nothing of it runs unbounded. */
  async #finishBoot(sandbox: LinuxSandbox, forked: Forked, group: SandboxGroup): Promise<void> {
    const { init, control } = forked;
    if (!forked.joinsItself) group.join(init.pid);
    step("boot.joined");
    control.write(GO);
    const { python } = await readHello(control, HELLO_TIMEOUT_MS);
    // Where it was to do so by itself: what it could not is done now, before there is a program.
    group.join(init.pid);
    step("boot.hello");
    const ready = proven(init, python, group, this.#without);
    control.write(GO);
    sandbox.setReady(ready);
  }

  #stock(profile: Profile): LauncherStock {
    const python = profile.python ?? this.#context.python;
    const key = JSON.stringify([python, profile.packages, profile.preimports]);
    const known = this.#stocks.get(key);
    if (known !== undefined) return known;
    const stock = new LauncherStock(() => this.#startLauncher(profile), this.#context.startsAhead);
    this.#stocks.set(key, stock);
    return stock;
  }

  async #startLauncher({ python, packages, preimports }: Profile): Promise<Launcher> {
    const { instance, searchPath, facts } = this.#context;
    const [host, door] = await Promise.all([this.#host.get(), this.#door.get()]);
    const { slotsDir } = host.files;
    const interpreter = await findInterpreter({ chosen: python ?? this.#context.python, searchPath, packages, facts });
    await keepCompiled(interpreter, host.files.packages);
    const mounts = interpreterMounts(interpreter);
    const asOther = this.#isRoot && !this.#without.has("host-uid");
    // Of each launcher alone: what the kernel counts for a user, or for the maker of a user namespace, no two tenants share. Its sandboxes
    // are one user, so that a tenant's files need not change hands between two runs.
    const leased = asOther ? await leaseTwo(this.#context.users) : null;
    const [own, sandboxUser] = leased ?? [OURSELVES, OURSELVES];
    const spareSlots = asOther ? new SpareSlots({ instance, slotsDir }) : null;
    try {
      const launch = planLaunch({
        user: own,
        isRoot: asOther,
        program: interpreter.executable,
        descriptors: [CONTROL_FD],
        hostPython: interpreter.executable,
        readOnly: [host.files.packages, ...host.files.etc.map(({ source }) => source), ...mounts.binds],
        writable: [slotsDir, ...hostFolders(this.#without)],
        inPlace: true,
      });
      const parts = { slotsDir, root: host.root, interpreter: mounts, etcFiles: host.files.etc, preimports };
      const plan = launcherPlan({ ...parts, mapsByHost: this.#isRoot, filter: host.files.filter }, this.#without);
      const program = ["-I", "-X", "utf8", join(host.files.packages, "iso_zygote")];
      const command = launch.command([...program, ...(this.#context.isForOne ? ["once"] : [])]);
      const name = groupName(instance.rootId, instance.id, randomBytes(8).toString("hex"));
      return await Launcher.start({
        engine: { ...command, inheritsEnvironment: this.#without.has("environment") },
        env: { ...ENVIRONMENT, ...markOf(name) },
        plan,
        door,
        own,
        sandboxUser,
        spareSlots,
        onEnd: () => {
          spareSlots?.remove();
          release(leased);
        },
        idMap: this.#isRoot ? idMap(own.uid, sandboxUser.uid) : null,
      });
    } catch (error) {
      release(leased);
      throw explained(error);
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw new IsoError("internal", "the zygote backend was closed");
  }

  async reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
    await reapEngines(this.#context.instance.rootId, isAlive);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#live.keys()].map((sandbox) => sandbox.dispose()));
    await Promise.allSettled([...this.#stocks.values()].map((stock) => stock.close()));
    (await this.#door.there())?.close();
    await (await this.#host.there())?.files.remove();
  }
}

async function leaseTwo(users: HostUsers): Promise<[HostUser, HostUser]> {
  const first = await users.lease();
  try {
    return [first, await users.lease()];
  } catch (error) {
    first.release();
    throw error;
  }
}

function release(users: readonly HostUser[] | null): void {
  for (const user of users ?? []) user.release();
}

/** Text for `/proc/<pid>/uid_map`, and for groups as well: a launcher is root of its own namespace, and its sandboxes' user is who it is. */
function idMap(own: number, sandboxUser: number): string {
  return own === sandboxUser ? `0 ${own} 1\n` : `0 ${own} 1\n${sandboxUser} ${sandboxUser} 1\n`;
}

/** A launcher that the kernel does not let make namespaces says so in the kernel's words. */
function explained(error: unknown): unknown {
  if (!(error instanceof IsoError) || error.hint !== undefined) return error;
  const hint = explainRefusal(REAL_HOST, error.message, "zygote");
  return hint === null
    ? error
    : new IsoError(error.code, error.message, { cause: error, hint: `${hint.message} ${hint.fix}` });
}
