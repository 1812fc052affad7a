// What each limit of a container really is enforced by, as its engine says it can.
import { type EnforcedBy, type EnforcedLimit, LIMITS, type LimitName } from "../../model/limits.js";
import type { Policy } from "../../model/result.js";
import type { HostUser, KernelFacts } from "../backend.js";
import type { Profile } from "../profile.js";
import type { Isolation } from "../read-back.js";
import type { EngineInfo } from "./engine.js";

/** Those a container has. */
export const NAMESPACES = ["mnt", "pid", "net", "ipc", "uts", "cgroup"] as const;

/** What was found out about one container, as far as it was. */
export interface Known {
  readonly facts: KernelFacts | null;
  /** Read from the kernel; without it the engine is believed. */
  readonly isolation: Isolation | null;
  /** Our own filter, which the program's process puts on before anything runs in it. */
  readonly filtered: boolean;
}

export function policyOf(
  profile: Profile,
  info: EngineInfo,
  user: HostUser,
  { facts, isolation, filtered }: Known,
): Policy {
  const by = (can: boolean): EnforcedBy => (can && info.cgroup ? info.cgroup : "none");
  const processesBy = by(info.limits.processes);
  const row = (name: LimitName, enforcedBy: EnforcedBy, hits: number | null = null): EnforcedLimit => ({
    ...{ value: profile.limits[name], unit: LIMITS[name].unit, enforcedBy, hits },
  });
  return {
    limits: {
      memory: row("memory", by(info.limits.memory), facts?.oomKills ?? null),
      cpus: row("cpus", by(info.limits.cpus)),
      // Of a user that others have as well, the kernel would count theirs too.
      processes: row(
        "processes",
        processesBy === "none" && user.exclusive ? "rlimit" : processesBy,
        facts?.processHits ?? null,
      ),
      openFiles: row("openFiles", "rlimit"),
      timeout: row("timeout", "polling"),
      fileSize: row("fileSize", "rlimit"),
      disk: row("disk", "polling"),
      files: row("files", "polling"),
      output: row("output", "polling"),
    },
    network: "none",
    isolation: {
      namespaces: [...(isolation?.namespaces ?? NAMESPACES)],
      seccomp: filtered || (isolation ?? info).seccomp,
      hostUid: isolation?.hostUid ?? user.uid,
    },
  };
}
