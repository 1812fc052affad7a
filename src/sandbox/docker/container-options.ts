// What a container of ours is made with: pure. Each line closes something.
import { basename } from "node:path";
import type { ContainerCreateOptions, HostConfig, MountSettings } from "dockerode";
import type { FileOwner } from "../../model/instance.js";
import { type Limits, MiB } from "../../model/limits.js";
import type { BackendContext } from "../backend.js";
import type { EngineInfo } from "./engine.js";
import { daemonPath } from "./path-names.js";
import { runnerFor } from "./runner-copy.js";

/** Where the program finds its folders. */
export const INSIDE = { work: "/sandbox/work", out: "/sandbox/out" } as const;
const RUNNER = "/runner/iso_runner";
export const RUNNER_COMMAND = ["python3", "-I", "-X", "utf8", RUNNER] as const;
export const LABELS = { ours: "iso-runtime", instance: "iso-runtime.instance", root: "iso-runtime.root" } as const;

/** tmpfs pages count as memory; a share keeps a full /tmp from being a memory kill. */
const TMPFS_SHARE = 0.5;
const TMPFS_INODES = 100_000;
/** The runner beside the program. */
const RUNNER_PROCESSES = 1;
/** The runner sets the program's own bounds, to the byte. These are around all of the container, and leave the runner what it needs:
 * descriptors of its own, and a whole job's standard input in memory. */
const SPARE_FILES = 64;
const MIN_FILES = 1024;
const MAX_FILES = 1_048_576;
const MIN_FILE_BYTES = 16 * MiB;

export interface Order {
  readonly name: string;
  /** An image's id: a tag may come to mean another one meanwhile. */
  readonly image: string;
  /** Null: the engine's default. */
  readonly runtime: string | null;
  readonly command: readonly string[];
  readonly limits: Limits;
  readonly mounts: readonly MountSettings[];
  readonly user: FileOwner;
}

type Engine = Pick<EngineInfo, "limits" | "cpus" | "users">;

export function containerOptions(
  { instance }: Pick<BackendContext, "instance">,
  engine: Engine,
  { name, image, runtime, command, limits, mounts, user }: Order,
): ContainerCreateOptions {
  return {
    name,
    Image: image,
    // Not as `Cmd`: an image may have an entry point of its own. PATH is the image's, which knows where its python3 is.
    Entrypoint: [...command],
    Cmd: [],
    Env: ["HOME=/tmp", "LANG=C.UTF-8"],
    User: `${user.uid}:${user.gid}`,
    WorkingDir: "/",
    Hostname: "sandbox",
    Labels: { [LABELS.ours]: "1", [LABELS.instance]: instance.id, [LABELS.root]: instance.rootId },
    // An image's own check would start processes in the sandbox.
    Healthcheck: { Test: ["NONE"] },
    OpenStdin: true,
    // The runner ends when we do: its standard input closes.
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    // The runner hears no other: an engine that stops would wait ten seconds for each container.
    StopSignal: "SIGKILL",
    NetworkDisabled: true,
    HostConfig: { ...hostConfig(limits, engine, mounts), ...(runtime !== null && { Runtime: runtime }) },
  };
}

/** `CgroupnsMode` is missing in the client's types. */
function hostConfig(
  limits: Limits,
  engine: Engine,
  mounts: readonly MountSettings[],
): HostConfig & { CgroupnsMode: "private" } {
  const tmpfsBytes = Math.floor(limits.memory * TMPFS_SHARE);
  const tmpfs = `rw,exec,nosuid,nodev,mode=1777,size=${tmpfsBytes},nr_inodes=${TMPFS_INODES}`;
  const files = Math.min(Math.max(limits.openFiles + SPARE_FILES, MIN_FILES), MAX_FILES);
  const fileBytes = Math.max(limits.fileSize, MIN_FILE_BYTES);
  return {
    NetworkMode: "none",
    // The host's name servers are nobody's business.
    Dns: ["127.0.0.1"],
    // Files come and go under the uids of the host.
    ...(engine.users === "remapped" && { UsernsMode: "host" }),
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
    ...kernelLimits(limits, engine),
    IpcMode: "private",
    ShmSize: tmpfsBytes,
    CgroupnsMode: "private",
    Tmpfs: { "/tmp": tmpfs },
    Ulimits: [
      { Name: "nofile", Soft: files, Hard: files },
      { Name: "fsize", Soft: fileBytes, Hard: fileBytes },
      { Name: "core", Soft: 0, Hard: 0 },
    ],
    LogConfig: { Type: "none", Config: {} },
    RestartPolicy: { Name: "no" },
    // The runner is pid 1, whatever the engine's default is.
    Init: false,
    // The engine would forget how it ended.
    AutoRemove: false,
    // `Mounts` refuses a source that is not there; `Binds` would make it, as root.
    Mounts: [...mounts],
  };
}

/** Only what the engine can do: of the rest some it ignores, and some it refuses the whole container for. */
function kernelLimits({ memory, processes, cpus }: Limits, engine: Engine): HostConfig {
  return {
    ...(engine.limits.memory && { Memory: memory, MemorySwap: memory }),
    ...(engine.limits.processes && { PidsLimit: processes + RUNNER_PROCESSES }),
    ...(engine.limits.cpus && { NanoCpus: Math.round(Math.min(cpus, engine.cpus ?? cpus) * 1e9) }),
  };
}

/** What of the host a sandbox sees, by the names the daemon has for it. `accounts` are files that stand for those of /etc. */
export function sandboxMounts(
  slotDir: string,
  context: Pick<BackendContext, "runnerDir" | "slotsDir" | "instance" | "docker">,
  accounts: readonly string[] = [],
): MountSettings[] {
  const { hostPathMap } = context.docker;
  return [
    bind(daemonPath(slotDir, hostPathMap), "/sandbox", false),
    bind(daemonPath(runnerFor(context), hostPathMap), RUNNER, true),
    ...accounts.map((path) => bind(daemonPath(path, hostPathMap), `/etc/${basename(path)}`, true)),
  ];
}

function bind(source: string, target: string, readOnly: boolean): MountSettings {
  return { Type: "bind", Source: source, Target: target, ReadOnly: readOnly };
}
