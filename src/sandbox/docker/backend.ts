// The backend that runs each sandbox in a container of its own, hardened, used once. This file is the story of a boot.
import { randomBytes } from "node:crypto";
import type { Container } from "dockerode";
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import { MiB } from "../../model/limits.js";
import { step } from "../../model/steps.js";
import type { BackendContext, Probe, Sandbox, SandboxBackend } from "../backend.js";
import { tooLittleMemory } from "../boot-memory.js";
import { NOTHING, overlooked, type Without } from "../layers.js";
import { DEFAULT_IMAGE, type Profile } from "../profile.js";
import { readHello } from "../protocol/channel.js";
import { type Demands, readIsolation } from "../read-back.js";
import { Remembered } from "../remembered.js";
import { buildFilter } from "../seccomp/filter.js";
import { makeSlot, removeSlot, type Slot } from "../slot.js";
import { type Account, takeAccount } from "./account.js";
import { removeContainer, startContainer } from "./container.js";
import { containerOptions, LABELS, RUNNER_COMMAND, sandboxMounts } from "./container-options.js";
import { connect, type EngineInfo, hangUp, inTime, meet, messageOf, statusOf } from "./engine.js";
import { buildImage, checkPackages, findImage, type Image, refuseOldPython } from "./image.js";
import type { Connection } from "./one-off.js";
import { NAMESPACES, policyOf } from "./policy.js";
import { probeDocker, refuseUnfit, refuseUnknownRuntime } from "./probe.js";
import { explain } from "./refusal.js";
import { removeRunnerCopy } from "./runner-copy.js";
import { DockerSandbox } from "./sandbox.js";
import { weakened } from "./weaken.js";

const HELLO_TIMEOUT_MS = 60_000;
/** An engine may filter no system calls; its policy says so. */
const DEMANDS: Demands = { namespaces: ["mnt", "pid", "net", "ipc"], seccomp: false, said: NAMESPACES };
const BUILD_IDLE_MS = 20 * 60_000;

/** A container that could not be removed when its time had come. */
interface Owed {
  /** Whom it may still run as. */
  readonly account: Account;
  /** The attempt under way. */
  removal: Promise<void> | null;
}

interface Parts {
  readonly image: Image;
  readonly slot: Slot;
  readonly account: Account;
}

export class DockerBackend implements SandboxBackend {
  readonly name = "docker";
  /** The engine's process for each container included. */
  readonly waitingBytes = 32 * MiB;
  readonly #context: BackendContext;
  readonly #without: Without;
  readonly #live = new Set<DockerSandbox>();
  readonly #booting = new Set<Promise<unknown>>();
  /** What a lost engine did not remove; it may be back. Each stays here until it is gone. */
  readonly #owed = new Map<Container, Owed>();
  /** Whether an image has the packages asked for, by its id and their list. */
  readonly #checked = new Map<string, Promise<void>>();
  readonly #connection = new Remembered(() => this.#connect());
  #closed = false;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#without = context.without ?? NOTHING;
  }

  probe(): Promise<Probe> {
    return probeDocker(this.#context, DEFAULT_IMAGE);
  }

  async boot(profile: Profile, onOwner?: (owner: FileOwner) => void): Promise<Sandbox> {
    this.#refuseClosed();
    const booting = this.#bootAs(await takeAccount(this.#context), profile, onOwner);
    this.#booting.add(booting);
    try {
      return await booting;
    } finally {
      this.#booting.delete(booting);
    }
  }

  async #bootAs(account: Account, profile: Profile, onOwner?: (owner: FileOwner) => void): Promise<Sandbox> {
    onOwner?.(account.user);
    try {
      return await this.#boot(account, profile);
    } catch (error) {
      if (![...this.#owed.values()].some((owed) => owed.account === account)) await account.giveBack();
      throw error;
    }
  }

  async #boot(account: Account, profile: Profile): Promise<Sandbox> {
    this.#refuseClosed();
    const slot = makeSlot(this.#context);
    let sandbox: DockerSandbox | null = null;
    try {
      step("boot.slot");
      const connection = await this.#connection.get();
      void this.#removeOwed();
      refuseUnknownRuntime(connection.info, profile.runtime);
      const image = await this.#image(connection, profile);
      sandbox = await this.#start(connection, profile, { image, slot, account });
      const { python } = await readHello(sandbox.channel, HELLO_TIMEOUT_MS);
      step("boot.hello");
      refuseOldPython(python.version, profile.image);
      // What stands behind another runtime's pid may be a kernel of its own, whose state is not the sandbox's.
      const init = profile.runtime === null ? await sandbox.findInit() : null;
      this.#refuseClosed();
      const demands = { ...DEMANDS, overlook: overlooked(this.#without) };
      sandbox.setReady({ python, host: init && { init, isolation: readIsolation(init.pid, demands) } });
      return sandbox;
    } catch (error) {
      const failure = await this.#bootFailed(error, sandbox, profile);
      if (sandbox === null) await removeSlot(slot);
      throw failure;
    }
  }

  async #start(connection: Connection, profile: Profile, { image, slot, account }: Parts): Promise<DockerSandbox> {
    const id = randomBytes(8).toString("hex");
    const { limits, runtime } = profile;
    const { user } = account;
    const mounts = sandboxMounts(slot.dir, this.#context, account.files);
    const { info, docker } = connection;
    const filter = this.#without.has("seccomp") ? null : filterFor(info, image);
    const command = [...RUNNER_COMMAND, ...(filter ? ["--filter", filter.toString("base64")] : [])];
    const order = { name: `iso-runtime-${id}`, image: image.id, runtime, command, limits, mounts, user };
    const options = weakened(containerOptions(this.#context, info, order), this.#without);
    const running = await startContainer(docker, options, (left) => this.#owe(left, account));
    const sandbox = new DockerSandbox({
      ...{ ...running, id, slot, user },
      cpus: info.limits.cpus ? info.cpus : null,
      policy: (facts, isolation) => policyOf(profile, info, user, { facts, isolation, filtered: filter !== null }),
      onGone: async (removed) => {
        this.#live.delete(sandbox);
        if (removed) await account.giveBack();
        else this.#owe(running.container, account);
      },
    });
    this.#live.add(sandbox);
    return sandbox;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new IsoError("internal", "the docker backend was closed");
  }

  async #bootFailed(error: unknown, sandbox: DockerSandbox | null, profile: Profile): Promise<IsoError> {
    const facts = await sandbox?.stop();
    await sandbox?.dispose();
    if (error instanceof IsoError) return error;
    const starved = tooLittleMemory(facts, profile, error);
    if (starved !== null) return starved;
    const said = sandbox?.engineLog().slice(0, 20) ?? [];
    const { message, fix, unreachable } = explain(error, this.#context.docker.host, said);
    if (unreachable) this.#connection.forget();
    const reasons = [facts?.lost ?? null, message, ...said];
    return new IsoError("sandbox_unavailable", `The container did not start: ${reasons.filter(Boolean).join("; ")}.`, {
      cause: error,
      ...(fix !== null && { hint: fix }),
    });
  }

  /** The image, once it is known to have what the profile asks for. */
  async #image(connection: Connection, { image: name, packages }: Profile): Promise<Image> {
    const image = await findImage(connection.docker, name);
    const { id } = image;
    if (packages.length === 0) return image;
    const key = JSON.stringify([id, packages]);
    const known = this.#checked.get(key);
    const checking = known ?? checkPackages(connection, this.#context, { id, name }, packages);
    this.#checked.set(key, checking);
    // What stood in the way may be gone at the next attempt.
    checking.catch(() => this.#checked.delete(key));
    await checking;
    return image;
  }

  async #connect(): Promise<Connection> {
    const { host } = this.#context.docker;
    try {
      const connection = await meet(host);
      refuseUnfit(connection.info);
      return connection;
    } catch (error) {
      const { message, fix } = explain(error, host);
      throw new IsoError("sandbox_unavailable", `Docker cannot be used: ${message}.`, {
        cause: error,
        ...(fix !== null && { hint: fix }),
      });
    }
  }

  /** Builds the default image where it is missing. A host without an engine may have another backend: the probe tells the way out. */
  async fix(onLine: (line: string) => void): Promise<void> {
    let connection: Connection;
    try {
      connection = await this.#connection.get();
    } catch (error) {
      onLine(`docker: nothing was built. ${messageOf(error)}`);
      return;
    }
    try {
      await findImage(connection.docker, DEFAULT_IMAGE);
      onLine(`docker: ${DEFAULT_IMAGE} is there already`);
    } catch (error) {
      if (!(error instanceof IsoError)) throw error;
      onLine(`docker: building ${DEFAULT_IMAGE}`);
      const docker = await connect(this.#context.docker.host, BUILD_IDLE_MS);
      await buildImage(docker, { image: DEFAULT_IMAGE, onLine }).finally(() => hangUp(docker));
    }
  }

  /** Leftovers are listed first, then their owners are asked for: a neighbour's new container is never among the dead's. */
  async reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
    const { docker } = await this.#connection.get();
    const { instance } = this.#context;
    const filters = { label: [`${LABELS.root}=${instance.rootId}`] };
    const found = await inTime(docker.listContainers({ all: true, filters }), "list containers");
    const owners = new Map<string, string[]>();
    for (const { Id, Labels } of found) {
      const owner = Labels[LABELS.instance];
      if (owner !== undefined) owners.set(owner, [...(owners.get(owner) ?? []), Id]);
    }
    for (const [owner, containers] of owners) {
      if (await isAlive(owner)) continue;
      for (const id of containers) {
        await removeContainer(docker.getContainer(id)).catch((error: unknown) => {
          // One that the engine refuses to remove is no reason to leave the others.
          if (statusOf(error) === null) throw error;
        });
      }
    }
  }

  #owe(container: Container, account: Account): void {
    this.#owed.set(container, { account, removal: null });
  }

  /** Resolves when each was tried; what an engine still does not remove stays owed. */
  async #removeOwed(): Promise<void> {
    await Promise.all(
      [...this.#owed].map(([container, owed]) => {
        owed.removal ??= this.#remove(container, owed);
        return owed.removal;
      }),
    );
  }

  async #remove(container: Container, owed: Owed): Promise<void> {
    try {
      await removeContainer(container);
      await owed.account.giveBack();
      this.#owed.delete(container);
    } catch {
      owed.removal = null;
    }
  }

  /** Resolves when no removal is under way any more. What could not be removed is the next start's. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([this.#removeOwed(), ...[...this.#live].map((sandbox) => sandbox.dispose())]);
    await Promise.allSettled([...this.#booting]);
    // A boot that was under way may have left one, and an engine may have been busy at the first attempt.
    await this.#removeOwed();
    await removeRunnerCopy(this.#context);
    const connection = await this.#connection.there();
    if (connection) hangUp(connection.docker);
  }
}

/** The filter the program goes under beside the engine's. An image for another machine is emulated: its calls are not the kernel's. */
function filterFor({ machine }: EngineInfo, image: Image): Buffer | null {
  return machine !== null && machine === image.machine ? buildFilter(machine) : null;
}
