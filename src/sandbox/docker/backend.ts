// The backend that runs each sandbox in a container of its own, hardened, used once. This file is the story of a boot.
import { randomBytes } from "node:crypto";
import { Socket } from "node:net";
import { join } from "node:path";
import type Docker from "dockerode";
import { IsoError } from "../../model/errors.js";
import type { BackendContext, Probe, Sandbox, SandboxBackend } from "../backend.js";
import { DEFAULT_IMAGE, type Profile } from "../profile.js";
import { readHello } from "../protocol/channel.js";
import { makeSlot, removeSlot, type Slot } from "../slot.js";
import { AttachedChannel } from "./attach.js";
import { containerOptions, daemonPath, LABELS } from "./container-options.js";
import { connect, type EngineInfo, inTime, messageOf, readInfo, statusOf } from "./engine.js";
import { buildImage, checkPackages, imageId } from "./image.js";
import { policyOf } from "./policy.js";
import { probeDocker } from "./probe.js";
import { DockerSandbox, removeContainer } from "./sandbox.js";

const HELLO_TIMEOUT_MS = 60_000;

interface Host {
  readonly docker: Docker;
  readonly info: EngineInfo;
}

export class DockerBackend implements SandboxBackend {
  readonly name = "docker";
  readonly #context: BackendContext;
  readonly #live = new Set<Sandbox>();
  /** Images whose packages were found complete, by id and list. */
  readonly #checked = new Set<string>();
  #host: Promise<Host> | null = null;
  #closed = false;

  constructor(context: BackendContext) {
    this.#context = context;
  }

  probe(): Promise<Probe> {
    return probeDocker(this.#context, DEFAULT_IMAGE);
  }

  async boot(profile: Profile): Promise<Sandbox> {
    if (this.#closed) throw new IsoError("internal", "the docker backend was closed");
    const host = await this.#connected();
    const slot = makeSlot(this.#context);
    try {
      await this.#checkImage(host.docker, profile);
      return await this.#start(host, profile, slot);
    } catch (error) {
      await removeSlot(slot);
      if (error instanceof IsoError) throw error;
      throw new IsoError("sandbox_unavailable", `The container did not start: ${messageOf(error)}`, { cause: error });
    }
  }

  async #start({ docker, info }: Host, profile: Profile, slot: Slot): Promise<Sandbox> {
    const { docker: settings, runnerDir } = this.#context;
    const paths = {
      slot: daemonPath(slot.dir, settings.hostPathMap),
      runnerPackage: daemonPath(join(runnerDir, "iso_runner"), settings.hostPathMap),
    };
    const container = await inTime(
      docker.createContainer(containerOptions(this.#context, profile, paths)),
      "create the container",
    );
    let channel: AttachedChannel | null = null;
    try {
      const attach = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
      const stream = await inTime(container.attach(attach), "attach to the container");
      if (!(stream instanceof Socket)) throw new Error("the engine gave no socket to talk to the container");
      channel = new AttachedChannel(stream);
      await inTime(container.start(), "start the container");
      const { python } = await readHello(channel, HELLO_TIMEOUT_MS);
      const sandbox = new DockerSandbox({
        ...{ id: randomBytes(8).toString("hex"), container, channel, slot, python },
        policy: (facts) => policyOf(profile, info, this.#context, facts),
        onGone: () => this.#live.delete(sandbox),
      });
      this.#live.add(sandbox);
      return sandbox;
    } catch (error) {
      const said = channel?.logLines().slice(0, 20) ?? [];
      channel?.destroy();
      await removeContainer(container).catch(() => undefined);
      throw new Error([messageOf(error), ...said].join("; "), { cause: error });
    }
  }

  async #checkImage(docker: Docker, { image, packages }: Profile): Promise<void> {
    const id = await inTime(imageId(docker, image), "look for the image");
    const key = JSON.stringify([id, packages]);
    if (packages.length === 0 || this.#checked.has(key)) return;
    await checkPackages(docker, image, packages);
    this.#checked.add(key);
  }

  #connected(): Promise<Host> {
    if (this.#host === null) {
      const host = this.#connect();
      this.#host = host;
      // The engine may be there at the next attempt.
      host.catch(() => {
        this.#host = null;
      });
    }
    return this.#host;
  }

  async #connect(): Promise<Host> {
    const docker = await connect(this.#context.docker.host);
    try {
      return { docker, info: await readInfo(docker) };
    } catch (error) {
      const { checks } = await this.probe();
      const failed = checks.find((check) => check.status === "fail");
      throw new IsoError("sandbox_unavailable", `Docker cannot be used: ${failed?.message ?? messageOf(error)}.`, {
        cause: error,
        ...(failed?.fix !== undefined && { hint: failed.fix }),
      });
    }
  }

  /** Builds the default image where it is missing. */
  async fix(onLine: (line: string) => void): Promise<void> {
    const { docker } = await this.#connected();
    try {
      await imageId(docker, DEFAULT_IMAGE);
      onLine(`docker: ${DEFAULT_IMAGE} is there already`);
    } catch {
      onLine(`docker: building ${DEFAULT_IMAGE}`);
      await buildImage(docker, DEFAULT_IMAGE, onLine);
    }
  }

  /** Leftovers are listed first, then their owners are asked for: a neighbour's new container is never among the dead's. */
  async reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
    const { docker } = await this.#connected();
    const { instance } = this.#context;
    const filters = { label: [`${LABELS.root}=${instance.rootId}`] };
    const found = await inTime(docker.listContainers({ all: true, filters }), "list containers");
    for (const { Id, Labels } of found) {
      const owner = Labels[LABELS.instance];
      if (owner === undefined || (await isAlive(owner))) continue;
      await removeContainer(docker.getContainer(Id)).catch((error: unknown) => {
        if (statusOf(error) === null) throw error;
      });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#live].map((sandbox) => sandbox.dispose()));
  }
}
