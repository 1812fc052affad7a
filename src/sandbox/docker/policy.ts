// What each limit of a container really is enforced by, as its engine says it can.
import { type EnforcedBy, type EnforcedLimit, LIMITS, type LimitName } from "../../model/limits.js";
import type { Policy } from "../../model/result.js";
import type { BackendContext, KernelFacts } from "../backend.js";
import type { Profile } from "../profile.js";
import type { EngineInfo } from "./engine.js";

export function policyOf(
  profile: Profile,
  info: EngineInfo,
  { owner }: BackendContext,
  facts: KernelFacts | null,
): Policy {
  const by = (can: boolean): EnforcedBy => (can && info.cgroup ? info.cgroup : "none");
  const row = (name: LimitName, enforcedBy: EnforcedBy, hits: number | null = null): EnforcedLimit => ({
    ...{ value: profile.limits[name], unit: LIMITS[name].unit, enforcedBy, hits },
  });
  return {
    limits: {
      memory: row("memory", by(info.limits.memory), facts?.oomKills ?? null),
      cpus: row("cpus", by(info.limits.cpus)),
      processes: row("processes", by(info.limits.processes), facts?.processHits ?? null),
      openFiles: row("openFiles", "rlimit"),
      timeout: row("timeout", "polling"),
      fileSize: row("fileSize", "rlimit"),
      disk: row("disk", "polling"),
      files: row("files", "polling"),
      output: row("output", "polling"),
    },
    network: "none",
    isolation: {
      namespaces: ["mnt", "pid", "net", "ipc", "uts", "cgroup"],
      seccomp: info.seccomp,
      hostUid: owner.uid,
    },
  };
}
