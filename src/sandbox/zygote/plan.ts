// What a launcher is told to make: the root all its sandboxes share, what each mounts on its own copy of it, and the namespaces they
// are forked into. Pure; python/iso_zygote/plan.py reads it.
import type { Layer, Without } from "../layers.js";
import type { InterpreterMounts } from "../linux/interpreter-mounts.js";
import type { ReadOnlyBind, RootLayout } from "../linux/root-layout.js";
import { hostFolders } from "../linux/without.js";

export interface PlanEntry {
  readonly kind: "bind" | "link" | "dir" | "tmpfs" | "proc" | "devpts" | "again" | "cover" | "slot";
  readonly at: string;
  readonly source?: string;
  readonly readOnly?: boolean;
  readonly mode?: string;
  /** A tmpfs: whether it has the size that the order for a sandbox says. */
  readonly bounded?: boolean;
}

export interface LauncherPlan {
  readonly mapsByHost: boolean;
  readonly slots: string;
  readonly template: readonly PlanEntry[];
  readonly mounts: readonly PlanEntry[];
  readonly namespaces: readonly string[];
  readonly readOnlyRoot: boolean;
  readonly newSession: boolean;
  readonly dropCapabilities: boolean;
  readonly limitNamespaces: boolean;
  /** Whether the launcher's own arguments and environment are wiped from the memory of its forks. */
  readonly forgetEnvironment: boolean;
  /** Base64 of the compiled system call filter. */
  readonly filter: string | null;
  readonly preimports: readonly string[];
}

export interface PlanParts {
  readonly mapsByHost: boolean;
  readonly slotsDir: string;
  readonly root: RootLayout;
  readonly interpreter: InterpreterMounts;
  readonly etcFiles: readonly ReadOnlyBind[];
  readonly filter: Buffer;
  readonly preimports: readonly string[];
}

const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/ptmx", "pts/ptmx"],
  // As a container has it.
  ["/dev/core", "/proc/kcore"],
] as const;
/** By the names python/iso_zygote knows. The user's own is what makes the others possible, so it cannot be left out. */
const NAMESPACES: Readonly<Record<string, Layer | null>> = {
  user: null,
  pid: "pid-namespace",
  net: "network-namespace",
  ipc: "ipc-namespace",
  uts: "uts-namespace",
  cgroup: "cgroup-namespace",
};

/** `without` takes layers away, for tests that must see what each is good for. */
export function launcherPlan(parts: PlanParts, without: Without): LauncherPlan {
  return {
    mapsByHost: parts.mapsByHost,
    slots: parts.slotsDir,
    template: template(parts, without),
    mounts: mounts(parts.root, without),
    namespaces: Object.entries(NAMESPACES).flatMap(([name, layer]) =>
      layer !== null && without.has(layer) ? [] : [name],
    ),
    readOnlyRoot: !without.has("read-only-root"),
    newSession: !without.has("new-session"),
    dropCapabilities: !without.has("capabilities"),
    limitNamespaces: !without.has("nested-userns"),
    forgetEnvironment: !without.has("environment"),
    filter: without.has("seccomp") ? null : parts.filter.toString("base64"),
    preimports: parts.preimports,
  };
}

function template({ root, interpreter, etcFiles }: PlanParts, without: Without): PlanEntry[] {
  return [
    ...["/proc", "/etc", "/tmp"].map((at): PlanEntry => ({ kind: "dir", at })),
    ...devices(without),
    ...root.binds.map(bind),
    ...root.links.map(({ at, to }): PlanEntry => ({ kind: "link", at, source: to })),
    ...etcFiles.map(bind),
    ...interpreter.binds.map((path) => bind({ source: path, dest: path })),
    ...interpreter.links.map(({ at, to }): PlanEntry => ({ kind: "link", at, source: to })),
    ...(without.has("minimal-root") ? hostFolders(new Set(["minimal-root"])) : []).map((path) =>
      bind({ source: path, dest: path }),
    ),
    ...(without.has("sys") ? [{ ...bind({ source: "/sys", dest: "/sys" }), readOnly: false }] : []),
  ];
}

function devices(without: Without): PlanEntry[] {
  if (without.has("private-dev")) return [{ kind: "bind", at: "/dev", source: "/dev", readOnly: false }];
  return [
    { kind: "dir", at: "/dev" },
    // A device does not become another one by being read-only; writing to it is what it is for.
    ...DEVICES.map(
      (name): PlanEntry => ({ kind: "bind", at: `/dev/${name}`, source: `/dev/${name}`, readOnly: false }),
    ),
    ...DEVICE_LINKS.map(([at, source]): PlanEntry => ({ kind: "link", at, source })),
  ];
}

function mounts(root: RootLayout, without: Without): PlanEntry[] {
  const ofHost = (at: string): PlanEntry => ({ kind: "bind", at, source: at, readOnly: false });
  const tmpfs = (at: string, size: "tmp-size" | "shm-size"): PlanEntry => ({
    ...{ kind: "tmpfs", at, mode: "1777", bounded: !without.has(size) },
  });
  const masks: PlanEntry[] = [
    ...root.readOnlyProc.map((at): PlanEntry => ({ kind: "again", at })),
    ...root.coveredProc.map((at): PlanEntry => ({ kind: "cover", at })),
  ];
  return [
    // A new one shows the processes of the namespace; without one of its own there is nothing to mount anew.
    without.has("pid-namespace") ? ofHost("/proc") : { kind: "proc", at: "/proc" },
    ...(without.has("proc-masks") || without.has("pid-namespace") ? [] : masks),
    ...(without.has("private-dev") ? [] : [{ kind: "devpts", at: "/dev/pts" } as const]),
    without.has("private-shm") ? ofHost("/dev/shm") : tmpfs("/dev/shm", "shm-size"),
    without.has("private-tmp") ? ofHost("/tmp") : tmpfs("/tmp", "tmp-size"),
    { kind: "slot", at: "/sandbox" },
  ];
}

function bind({ source, dest }: ReadOnlyBind): PlanEntry {
  return { kind: "bind", at: dest, source };
}
