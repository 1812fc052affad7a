// What a booted sandbox really has, read from the kernel by its first process: a policy never repeats what was only asked for.
import { readlinkSync } from "node:fs";
import { IsoError } from "../model/errors.js";
import type { LimitName } from "../model/limits.js";
import { readKernelFile } from "../safefs/kernel-file.js";
import { type Layer, NOTHING, type Without } from "./layers.js";

export interface Isolation {
  readonly namespaces: readonly string[];
  readonly seccomp: boolean;
  readonly hostUid: number;
}

/** What no rlimit set inside can exceed: the host's own hard limits, where it has any. */
export type Ceilings = { readonly [name in LimitName]?: number };

/** The kernel's names, and what people call them. */
const NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] as const;
type Namespace = (typeof NAMESPACES)[number];
const LAYER_OF: Readonly<Record<Namespace, Layer>> = {
  user: "user-namespace",
  mnt: "mount-namespace",
  pid: "pid-namespace",
  net: "network-namespace",
  ipc: "ipc-namespace",
  uts: "uts-namespace",
  cgroup: "cgroup-namespace",
};
const CAPABILITIES = ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"] as const;
const SECCOMP_FILTER = 2;
const HARD_LIMITS = {
  memory: "Max address space",
  processes: "Max processes",
  openFiles: "Max open files",
  fileSize: "Max file size",
} as const satisfies { readonly [name in LimitName]?: string };

export interface Demands {
  /** Without these there is no sandbox. The others are missing on kernels that do not have them. */
  readonly namespaces: readonly Namespace[];
  readonly seccomp: boolean;
  /** What the engine says it made, for those the kernel does not let this user look at. */
  readonly said: readonly Namespace[];
  /** Layers that a test took away and that are not to be missed. */
  readonly overlook?: Without;
}

/** Throws IsoError `sandbox_unavailable` where anything is weaker than it must be; then nothing may run in it. */
export function readIsolation(pid: number, demands: Demands, proc = "/proc"): Isolation {
  const status = readStatus(`${proc}/${pid}/status`);
  const namespaces = NAMESPACES.filter((name) => {
    const inside = readLinkOrNull(`${proc}/${pid}/ns/${name}`);
    return inside === null ? demands.said.includes(name) : inside !== ownNamespace(name, proc);
  });
  const hostUids = (status.get("Uid") ?? "").split(/\s+/).map(Number);
  const hostUid = hostUids[0] ?? 0;
  const seccomp = Number(status.get("Seccomp")) === SECCOMP_FILTER;
  const missed = (layer: Layer) => !(demands.overlook ?? NOTHING).has(layer);
  const shared = demands.namespaces.filter((name) => !namespaces.includes(name) && missed(LAYER_OF[name]));
  const isRoot = hostUids.includes(0) || Number.isNaN(hostUid);
  const canNothing = CAPABILITIES.every((set) => /^0+$/.test(status.get(set) ?? ""));
  const weak = [
    ...shared.map((name) => `it shares our ${name} namespace`),
    ...(isRoot && missed("host-uid") ? ["it is root on the host"] : []),
    ...(!seccomp && demands.seccomp && missed("seccomp") ? ["no system call filter is on"] : []),
    ...(status.get("NoNewPrivs") !== "1" && missed("no-new-privileges") ? ["it could gain privileges"] : []),
    ...(!canNothing && missed("capabilities") ? ["it has capabilities"] : []),
  ];
  if (weak.length > 0) {
    throw new IsoError("sandbox_unavailable", `The sandbox is not what it must be: ${weak.join(", ")}.`);
  }
  return { namespaces, seccomp, hostUid };
}

const own = new Map<string, string | null>();

/** This process stays in the namespaces it was started in. */
function ownNamespace(name: Namespace, proc: string): string | null {
  const path = `${proc}/self/ns/${name}`;
  const known = own.get(path) ?? readLinkOrNull(path);
  own.set(path, known);
  return known;
}

export function readCeilings(pid: number, proc = "/proc"): Ceilings {
  const text = read(`${proc}/${pid}/limits`);
  const rows = Object.entries(HARD_LIMITS).flatMap(([name, title]) => {
    const [, hard] = new RegExp(`^${title} +\\S+ +(\\d+) `, "m").exec(text) ?? [];
    return hard === undefined ? [] : [[name, Number(hard)]];
  });
  return Object.fromEntries(rows);
}

function readStatus(path: string): Map<string, string> {
  const lines = read(path).split("\n");
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
}

function read(path: string): string {
  try {
    return readKernelFile(path);
  } catch (error) {
    throw new IsoError("sandbox_unavailable", "The sandbox cannot be looked at, or has ended.", { cause: error });
  }
}

function readLinkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
