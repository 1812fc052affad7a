// The connection to a Docker engine. dockerode is loaded when a container is first asked for, and every call is bounded in time: a
// daemon that dies leaves calls hanging.
import type Docker from "dockerode";
import { IsoError } from "../../model/errors.js";
import { inTime as within } from "../../model/in-time.js";
import type { Machine } from "../seccomp/syscalls.js";

const CALL_TIMEOUT_MS = 30_000;
const FIRST_ANSWER_MS = 5_000;
export const MIN_API = "1.41";
const DEFAULT_SOCKET = "/var/run/docker.sock";
const DEFAULT_PORT = "2375";
/** How long a connection waits for the next question. */
const IDLE_MS = 5_000;

/** Who holds the connections of each client. */
const agents = new WeakMap<Docker, { destroy(): void }>();

export interface EngineInfo {
  version: string;
  apiVersion: string;
  cgroup: "cgroup-v1" | "cgroup-v2" | null;
  limits: { memory: boolean; processes: boolean; cpus: boolean };
  /** False where a program may swap out what exceeds its memory. */
  limitsSwap: boolean;
  /** Processors of the engine's machine, which refuses to give more; null where it does not say. */
  cpus: number | null;
  /** The engine's own system call filter. */
  seccomp: boolean;
  /** For which ours, beside it, is made; null where there is none for it. */
  machine: Machine | null;
  /** What it can run containers with, by name. */
  runtimes: readonly string[];
  /** Whose uids its containers have: the host's, those of a range set aside unless asked otherwise, or only a user's own. */
  users: "host" | "remapped" | "rootless";
}

/** Where an engine listens, for people. */
export const placeOf = (host: string | null): string => host ?? DEFAULT_SOCKET;

/**
 * `host` is DOCKER_HOST, or null for the default socket. A connection on which nothing happens for `idleMs` is given up. Connections
 * are kept for the next question, apart from those of the caller's own process: `hangUp` ends them.
 */
export async function connect(host: string | null, idleMs = CALL_TIMEOUT_MS): Promise<Docker> {
  const address = addressOf(host);
  const { default: Dockerode } = await import("dockerode");
  const { Agent } = address.protocol === "https" ? await import("node:https") : await import("node:http");
  const agent = new Agent({ keepAlive: true, scheduling: "lifo", timeout: IDLE_MS });
  // The client's types do not know of it.
  const docker = new Dockerode({ ...address, timeout: idleMs, ...{ agent } });
  agents.set(docker, agent);
  return docker;
}

/** Ends the client's connections, also those on which an answer is due; a container's stream is no longer one of them. */
export function hangUp(docker: Docker): void {
  agents.get(docker)?.destroy();
}

/** All that says where to go, so that the client takes none of it from the environment: settings did that. */
function addressOf(host: string | null) {
  const socketPath = host === null ? DEFAULT_SOCKET : /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (socketPath !== undefined) return { protocol: "http" as const, host: "", socketPath };
  const http = (host ?? "").replace(/^tcp:/, "http:");
  if (!/^https?:\/\//.test(http) || !URL.canParse(http)) {
    throw new IsoError("sandbox_unavailable", `DOCKER_HOST "${host}" is no address of an engine`, {
      hint: "Write unix:///path or tcp://host:port.",
    });
  }
  const { protocol, hostname, port } = new URL(http);
  return {
    protocol: protocol === "https:" ? ("https" as const) : ("http" as const),
    // An IPv6 address has brackets in an URL alone.
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port || DEFAULT_PORT,
  };
}

/** The work's result; rejects where the engine does not answer in time. */
export async function inTime<T>(work: Promise<T>, what: string, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
  return await within(work, timeoutMs, () => new EngineLate(what, timeoutMs));
}

export class EngineLate extends Error {
  override readonly name = "EngineLate";

  constructor(what: string, timeoutMs: number) {
    super(`the Docker engine did not ${what} within ${timeoutMs / 1000} s`);
  }
}

/** HTTP status of an engine's refusal; null for what is none. */
export function statusOf(error: unknown): number | null {
  const status = typeof error === "object" && error !== null ? Reflect.get(error, "statusCode") : null;
  return typeof status === "number" ? status : null;
}

export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().slice(0, 1000);

/** Connects and asks what the engine is. One that does not answer is told by the first question, and nothing of that one lingers. */
export async function meet(host: string | null): Promise<{ docker: Docker; info: EngineInfo }> {
  const first = await connect(host, FIRST_ANSWER_MS);
  const asking = inTime(first.version(), "tell its version", FIRST_ANSWER_MS);
  const version = await asking.finally(() => hangUp(first));
  if (typeof version.ApiVersion !== "string") throw new Error("what answers there is no Docker engine");
  const docker = await connect(host);
  const describing = inTime<Record<string, unknown>>(docker.info(), "describe itself", 10_000);
  const info = await describing.catch((error: unknown) => {
    hangUp(docker);
    throw error;
  });
  return { docker, info: { version: version.Version, apiVersion: version.ApiVersion, ...understand(info) } };
}

/** By the names that engines and images give machines. */
export function machineOf(architecture: unknown): Machine | null {
  if (architecture === "x86_64" || architecture === "amd64") return "x64";
  return architecture === "aarch64" || architecture === "arm64" ? "arm64" : null;
}

/** What `docker info` answered, as far as it matters here. */
export function understand(info: Readonly<Record<string, unknown>>): Omit<EngineInfo, "version" | "apiVersion"> {
  const security = Array.isArray(info.SecurityOptions) ? info.SecurityOptions.map(String) : [];
  const says = (name: string) => security.find((option) => option.split(",").includes(`name=${name}`));
  const cgroup = String(info.CgroupVersion ?? "1") === "2" ? "cgroup-v2" : "cgroup-v1";
  return {
    cgroup: info.CgroupDriver === "none" ? null : cgroup,
    limits: { memory: info.MemoryLimit === true, processes: info.PidsLimit === true, cpus: info.CpuCfsQuota === true },
    limitsSwap: info.SwapLimit === true,
    cpus: typeof info.NCPU === "number" && info.NCPU > 0 ? info.NCPU : null,
    // An engine can filter and be told not to.
    seccomp: says("seccomp")?.includes("profile=unconfined") === false,
    machine: machineOf(info.Architecture),
    runtimes: typeof info.Runtimes === "object" && info.Runtimes !== null ? Object.keys(info.Runtimes) : [],
    users: says("rootless") !== undefined ? "rootless" : says("userns") !== undefined ? "remapped" : "host",
  };
}

/** Whether the first two numbers of a version are lower. */
export function olderThan(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
