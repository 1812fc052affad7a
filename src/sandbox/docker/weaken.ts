// Takes layers away from a container that is all made up, for tests that must see what each layer is good for. What the engine
// makes by itself, as its mounts of /dev and /sys, is not ours to take away.
import type { ContainerCreateOptions, HostConfig, MountSettings } from "dockerode";
import { GiB } from "../../model/limits.js";
import type { Layer, Without } from "../layers.js";

type Changes = { readonly [name in Layer]?: (host: HostConfig) => HostConfig };

/** The first two are missing in the client's types. */
interface FurtherHostConfig extends HostConfig {
  MaskedPaths?: string[];
  ReadonlyPaths?: string[];
}

const shows = (host: HostConfig, ...paths: string[]): HostConfig => {
  const mounts = paths.map((path): MountSettings => ({ Type: "bind", Source: path, Target: path, ReadOnly: true }));
  return { ...host, Mounts: [...(host.Mounts ?? []), ...mounts] };
};

const CHANGES: Changes = {
  "pid-namespace": (host) => ({ ...host, PidMode: "host" }),
  "network-namespace": (host) => ({ ...without(host, "Dns"), NetworkMode: "host" }),
  "ipc-namespace": (host) => ({ ...without(host, "ShmSize"), IpcMode: "host" }),
  "uts-namespace": (host) => ({ ...host, UTSMode: "host" }),
  "cgroup-namespace": (host) => ({ ...host, CgroupnsMode: "host" }),
  "read-only-root": (host) => ({ ...host, ReadonlyRootfs: false }),
  "minimal-root": (host) => shows(host, "/var/tmp"),
  "private-tmp": (host) => shows(without(host, "Tmpfs"), "/tmp"),
  "tmp-size": (host) => ({ ...host, Tmpfs: { "/tmp": "rw,exec,nosuid,nodev,mode=1777" } }),
  "shm-size": (host) => ({ ...host, ShmSize: 64 * GiB }),
  "proc-masks": (host): FurtherHostConfig => ({ ...host, MaskedPaths: [], ReadonlyPaths: [] }),
  capabilities: (host) => without(host, "CapDrop"),
  "no-new-privileges": (host) => ({
    ...host,
    SecurityOpt: host.SecurityOpt?.filter((option: string) => option !== "no-new-privileges"),
  }),
  "engine-seccomp": (host) => ({ ...host, SecurityOpt: [...(host.SecurityOpt ?? []), "seccomp=unconfined"] }),
  "memory-cgroup": (host) => without(host, "Memory", "MemorySwap"),
  "process-cgroup": (host) => without(host, "PidsLimit"),
  "cpu-cgroup": (host) => without(host, "NanoCpus"),
};

/** The options without what makes these layers. */
export function weakened(options: ContainerCreateOptions, layers: Without): ContainerCreateOptions {
  if (layers.size === 0) return options;
  let host: HostConfig = options.HostConfig ?? {};
  for (const layer of layers) host = CHANGES[layer]?.(host) ?? host;
  const { Hostname, NetworkDisabled, User, ...rest } = options;
  return {
    ...rest,
    ...(!layers.has("uts-namespace") && { Hostname }),
    ...(!layers.has("network-namespace") && { NetworkDisabled }),
    User: layers.has("host-uid") ? "0:0" : User,
    HostConfig: host,
  };
}

function without(host: HostConfig, ...names: (keyof HostConfig)[]): HostConfig {
  const rest = { ...host };
  for (const name of names) delete rest[name];
  return rest;
}
