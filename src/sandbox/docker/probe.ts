// What this host's Docker engine can do for us, check by check, each problem with the command that mends it.
import { IsoError } from "../../model/errors.js";
import type { BackendContext, Check, Probe } from "../backend.js";
import { connect, type EngineInfo, MIN_API, messageOf, readInfo } from "./engine.js";
import { imageId } from "./image.js";
import { checkPathMap } from "./path-map.js";

export async function probeDocker(context: BackendContext, image: string): Promise<Probe> {
  const checks: Check[] = [];
  const fail = (name: string, message: string, fix: string): Probe => {
    checks.push({ name, status: "fail", message, fix });
    return { usable: false, checks };
  };
  const { host } = context.docker;
  let info: EngineInfo;
  const docker = await connect(host).catch((error: unknown) => error);
  if (docker instanceof Error || !isDocker(docker))
    return fail("engine", messageOf(docker), "Set DOCKER_HOST to unix:///path or tcp://host:port.");
  try {
    info = await readInfo(docker);
  } catch (error) {
    return fail("engine", ...explainUnreachable(error, host));
  }
  if (olderThan(info.apiVersion, MIN_API)) {
    return fail(
      "engine",
      `Docker ${info.version} speaks API ${info.apiVersion}; ${MIN_API} is needed`,
      "Upgrade Docker to 20.10 or later.",
    );
  }
  checks.push({ name: "engine", status: "ok", message: `Docker ${info.version}, API ${info.apiVersion}` });
  checks.push(limitsCheck(info), seccompCheck(info));
  if (info.remapsUsers) {
    checks.push({
      name: "users",
      status: "warn",
      message: "the engine remaps users: workspace files must belong to the remapped uid",
    });
  }
  try {
    await imageId(docker, image);
    checks.push({ name: "image", status: "ok", message: `${image} is there` });
  } catch (error) {
    return fail(
      "image",
      messageOf(error),
      error instanceof IsoError && error.hint ? error.hint : "iso-runtime doctor --fix",
    );
  }
  const map = await checkPathMap(docker, context, image);
  if (map) checks.push(map);
  return { usable: map?.status !== "fail", checks };
}

function limitsCheck({ cgroup, limits }: EngineInfo): Check {
  const lacking = Object.entries(limits).filter(([, can]) => !can || !cgroup);
  if (lacking.length === 0)
    return { name: "limits", status: "ok", message: `${cgroup} enforces memory, processes and cpus` };
  const names = lacking.map(([name]) => name).join(", ");
  return {
    name: "limits",
    status: "warn",
    message: `this engine cannot limit: ${names}`,
    fix: "Enable the cgroup controllers memory, pids and cpu for the engine.",
  };
}

function seccompCheck({ seccomp }: EngineInfo): Check {
  if (seccomp) return { name: "seccomp", status: "ok", message: "the engine's system call filter is on" };
  return {
    name: "seccomp",
    status: "warn",
    message: "the engine filters no system calls",
    fix: "Use an engine and a kernel with seccomp.",
  };
}

function explainUnreachable(error: unknown, host: string | null): [string, string] {
  const code = typeof error === "object" && error !== null ? Reflect.get(error, "code") : null;
  const where = host ?? "/var/run/docker.sock";
  if (code === "ENOENT")
    return [
      `no Docker engine at ${where}`,
      "sudo apt-get install docker.io, or set DOCKER_HOST; Docker is optional where bubblewrap works",
    ];
  if (code === "EACCES") return [`no permission for ${where}`, "sudo usermod -aG docker $USER, then log in again"];
  if (code === "ECONNREFUSED") return [`the Docker engine at ${where} does not run`, "sudo systemctl start docker"];
  return [`the Docker engine at ${where} does not answer: ${messageOf(error)}`, "docker info"];
}

function isDocker(value: unknown): value is Awaited<ReturnType<typeof connect>> {
  return typeof value === "object" && value !== null && "createContainer" in value;
}

function olderThan(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}
