// What this host's Docker engine can do for us, check by check, each problem with the command that mends it.
import { IsoError } from "../../model/errors.js";
import type { BackendContext, Check, Probe } from "../backend.js";
import { type EngineInfo, hangUp, MIN_API, meet, olderThan } from "./engine.js";
import { findImage } from "./image.js";
import type { Connection } from "./one-off.js";
import { checkPathMap } from "./path-map.js";
import { explain } from "./refusal.js";

/** Never throws. */
export async function probeDocker(context: BackendContext, image: string): Promise<Probe> {
  const { host } = context.docker;
  const checks: Check[] = [];
  let stage = "engine";
  let connection: Connection | null = null;
  try {
    connection = await meet(host);
    checks.push(...engineChecks(connection.info));
    const uids = await context.users.check();
    if (uids !== null) checks.push(uids);
    if (isUsable(checks)) {
      stage = "image";
      const { id } = await findImage(connection.docker, image);
      checks.push({ name: stage, status: "ok", message: `${image} is there` });
      stage = "path map";
      const map = await checkPathMap(connection, context, id);
      if (map !== null) checks.push(map);
    }
  } catch (error) {
    const { message, fix } = explain(error, host);
    checks.push({ name: stage, status: "fail", message, fix: fix ?? "docker info" });
  } finally {
    if (connection !== null) hangUp(connection.docker);
  }
  return { usable: isUsable(checks), checks };
}

/** Throws what stands in the way of every sandbox on this engine. */
export function refuseUnfit(info: EngineInfo): void {
  const failed = engineChecks(info).find(({ status }) => status === "fail");
  if (failed)
    throw new IsoError("sandbox_unavailable", failed.message, failed.fix === undefined ? {} : { hint: failed.fix });
}

/** Throws where a profile names a runtime that this engine was not told of. */
export function refuseUnknownRuntime({ runtimes }: EngineInfo, runtime: string | null): void {
  if (runtime === null || runtimes.includes(runtime)) return;
  const known = runtimes.join(", ") || "none that it names";
  throw new IsoError("sandbox_unavailable", `The Docker engine has no runtime "${runtime}". It has: ${known}.`, {
    field: "runtime",
    hint: `Add it to "runtimes" in the engine's daemon.json and restart the engine, or change the profile's \`runtime\`.`,
  });
}

const isUsable = (checks: readonly Check[]): boolean => checks.every(({ status }) => status !== "fail");

/** What the engine's own description tells. */
export function engineChecks(info: EngineInfo): Check[] {
  const { version, apiVersion } = info;
  if (olderThan(apiVersion, MIN_API)) {
    const message = `Docker ${version} speaks API ${apiVersion}; ${MIN_API} is needed`;
    return [{ name: "engine", status: "fail", message, fix: "Upgrade Docker to 20.10 or later." }];
  }
  return [
    { name: "engine", status: "ok", message: `Docker ${version}, API ${apiVersion}` },
    limitsCheck(info),
    seccompCheck(info),
    ...usersCheck(info),
  ];
}

function limitsCheck({ cgroup, limits, limitsSwap }: EngineInfo): Check {
  const name = "limits";
  const lacking = Object.entries(limits).filter(([, can]) => !can || cgroup === null);
  if (lacking.length > 0) {
    const message = `this engine cannot limit: ${lacking.map(([limit]) => limit).join(", ")}`;
    const fix = "Enable the cgroup controllers memory, pids and cpu for the engine.";
    return { name, status: "warn", message, fix };
  }
  const message = `${cgroup} enforces memory, processes and cpus`;
  if (limitsSwap) return { name, status: "ok", message };
  const fix = "Boot with swapaccount=1, or without swap.";
  return { name, status: "warn", message: `${message}, but what exceeds the memory may be swapped out`, fix };
}

function seccompCheck({ seccomp, machine }: EngineInfo): Check {
  const name = "seccomp";
  const filters = [...(machine ? [`ours for ${machine}`] : []), ...(seccomp ? ["the engine's"] : [])];
  if (seccomp) return { name, status: "ok", message: `system call filters: ${filters.join(" and ")}` };
  const fix = "Use a kernel with seccomp, and an engine whose seccomp-profile is not unconfined.";
  return {
    name,
    status: "warn",
    message: `the engine filters no system calls${machine ? "; our own filter is on" : ""}`,
    fix,
  };
}

function usersCheck({ users }: EngineInfo): Check[] {
  const name = "users";
  if (users === "host") return [];
  if (users === "remapped") {
    const message = "the engine remaps users; for sandboxes it is told not to, as their files are the host's";
    return [{ name, status: "ok", message }];
  }
  const message = "the engine is rootless: the user it would run programs as may not read our files";
  return [{ name, status: "fail", message, fix: "Use an engine that is not rootless; bubblewrap needs no engine." }];
}
