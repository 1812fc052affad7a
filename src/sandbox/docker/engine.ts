// The connection to a Docker engine. dockerode is loaded when a container is first asked for, and every call is bounded in time: a
// daemon that dies leaves calls hanging.
import type Docker from "dockerode";
import { IsoError } from "../../model/errors.js";

const CALL_TIMEOUT_MS = 30_000;
export const MIN_API = "1.41";
const DEFAULT_SOCKET = "/var/run/docker.sock";

export interface EngineInfo {
  version: string;
  apiVersion: string;
  cgroup: "cgroup-v1" | "cgroup-v2" | null;
  limits: { memory: boolean; processes: boolean; cpus: boolean };
  seccomp: boolean;
  remapsUsers: boolean;
}

/** `host` is DOCKER_HOST, or null for the default socket. */
export async function connect(host: string | null): Promise<Docker> {
  const { default: Dockerode } = await import("dockerode");
  if (host === null || host.startsWith("unix://")) {
    return new Dockerode({ socketPath: host === null ? DEFAULT_SOCKET : host.slice("unix://".length) });
  }
  const url = URL.canParse(host.replace(/^tcp:/, "http:")) ? new URL(host.replace(/^tcp:/, "http:")) : null;
  if (!url)
    throw new IsoError("sandbox_unavailable", `DOCKER_HOST "${host}" is no address of an engine`, {
      hint: "Write unix:///path or tcp://host:port.",
    });
  return new Dockerode({
    protocol: url.protocol === "https:" ? "https" : "http",
    host: url.hostname,
    port: url.port || "2375",
  });
}

/** The work's result; rejects where the engine does not answer in time. */
export async function inTime<T>(work: Promise<T>, what: string, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the Docker engine did not ${what} within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** HTTP status of an engine's refusal; null for what is none. */
export function statusOf(error: unknown): number | null {
  const status = typeof error === "object" && error !== null ? Reflect.get(error, "statusCode") : null;
  return typeof status === "number" ? status : null;
}

export const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 1000);

export async function readInfo(docker: Docker): Promise<EngineInfo> {
  const [version, info] = await Promise.all([
    inTime(docker.version(), "tell its version", 5_000),
    inTime<Record<string, unknown>>(docker.info(), "describe itself", 10_000),
  ]);
  const security = Array.isArray(info.SecurityOptions) ? info.SecurityOptions.map(String) : [];
  const cgroup = String(info.CgroupVersion ?? "1") === "2" ? "cgroup-v2" : "cgroup-v1";
  return {
    ...{ version: version.Version, apiVersion: version.ApiVersion },
    cgroup: info.CgroupDriver === "none" ? null : cgroup,
    limits: { memory: info.MemoryLimit === true, processes: info.PidsLimit === true, cpus: info.CpuCfsQuota === true },
    seccomp: security.some((option) => option.includes("name=seccomp")),
    remapsUsers: security.some((option) => option.includes("name=userns") || option.includes("name=rootless")),
  };
}
