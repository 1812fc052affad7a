// What a sandbox's container is made with: pure. Each line closes something.
import type { ContainerCreateOptions, HostConfig, MountSettings } from "dockerode";
import type { BackendContext } from "../backend.js";
import type { Profile } from "../profile.js";

/** Where the program finds its folders. */
export const INSIDE = { work: "/sandbox/work", out: "/sandbox/out" } as const;
export const LABELS = { ours: "iso-runtime", instance: "iso-runtime.instance", root: "iso-runtime.root" } as const;

/** tmpfs pages count as memory; a share keeps a full /tmp from being a memory kill. */
const TMPFS_SHARE = 0.5;
const TMPFS_INODES = 100_000;
/** The runner beside the program. */
const RUNNER_PROCESSES = 1;

export interface ContainerPaths {
  /** As the daemon sees them. */
  readonly slot: string;
  readonly runnerPackage: string;
}

export function containerOptions(
  context: BackendContext,
  profile: Profile,
  paths: ContainerPaths,
): ContainerCreateOptions {
  return {
    Image: profile.image,
    Entrypoint: ["python3", "-I", "-X", "utf8", "/runner/iso_runner"],
    Cmd: [],
    Env: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"],
    User: `${context.owner.uid}:${context.owner.gid}`,
    WorkingDir: "/",
    Hostname: "sandbox",
    Labels: { [LABELS.ours]: "1", [LABELS.instance]: context.instance.id, [LABELS.root]: context.instance.rootId },
    OpenStdin: true,
    // The runner ends when we do: its standard input closes.
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    NetworkDisabled: true,
    HostConfig: hostConfig(profile, paths),
  };
}

/** `CgroupnsMode` is missing in the client's types. */
function hostConfig({ limits }: Profile, paths: ContainerPaths): HostConfig & { CgroupnsMode: "private" } {
  const tmpfsBytes = Math.floor(limits.memory * TMPFS_SHARE);
  const tmpfs = `rw,exec,nosuid,nodev,mode=1777,size=${tmpfsBytes},nr_inodes=${TMPFS_INODES}`;
  return {
    NetworkMode: "none",
    // The host's name servers are nobody's business.
    Dns: ["127.0.0.1"],
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
    Memory: limits.memory,
    MemorySwap: limits.memory,
    PidsLimit: limits.processes + RUNNER_PROCESSES,
    NanoCpus: Math.round(limits.cpus * 1e9),
    IpcMode: "private",
    ShmSize: tmpfsBytes,
    CgroupnsMode: "private",
    Tmpfs: { "/tmp": tmpfs },
    Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
    LogConfig: { Type: "none", Config: {} },
    RestartPolicy: { Name: "no" },
    // `Mounts` refuses a source that is not there; `Binds` would make it, as root.
    Mounts: [bind(paths.slot, "/sandbox", false), bind(paths.runnerPackage, "/runner/iso_runner", true)],
  };
}

function bind(source: string, target: string, readOnly: boolean): MountSettings {
  return { Type: "bind", Source: source, Target: target, ReadOnly: readOnly };
}

/** What the daemon calls a path of ours: the longest prefix of the map decides. */
export function daemonPath(path: string, map: BackendContext["docker"]["hostPathMap"]): string {
  const fits = map.filter(({ from }) => path === from || path.startsWith(from.endsWith("/") ? from : `${from}/`));
  const longest = fits.sort((a, b) => b.from.length - a.from.length)[0];
  return longest ? longest.to + path.slice(longest.from.length) : path;
}
