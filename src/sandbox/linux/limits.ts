// What each limit of a sandbox really is enforced by on this host, as its policy says it. What no control group enforces is left
// to rlimits, which the supervisor sets, to the host's own polling, or to nobody.
import { type EnforcedBy, type EnforcedLimit, LIMITS, type LimitName } from "../../model/limits.js";
import type { Policy } from "../../model/result.js";
import type { Profile } from "../profile.js";
import type { Ceilings, Isolation } from "../read-back.js";
import type { Controlled, Counts, SandboxGroup } from "./cgroup-group.js";

const WITHOUT_GROUP: Readonly<Record<LimitName, EnforcedBy>> = {
  memory: "rlimit",
  processes: "rlimit",
  cpus: "none",
  openFiles: "rlimit",
  fileSize: "rlimit",
  timeout: "polling",
  disk: "polling",
  files: "polling",
  output: "polling",
};

/** What holds whatever the profile says: the host's own hard limits, and a control group above ours. */
export interface Held {
  readonly ceilings: Ceilings;
  readonly memory: number | null;
}

export interface PolicyOf {
  readonly profile: Profile;
  readonly group: SandboxGroup;
  readonly counts: Counts;
  readonly isolation: Isolation;
  readonly held: Held;
}

export function policyOf({ profile, group, counts, isolation, held }: PolicyOf): Policy {
  const row = (name: LimitName): EnforcedLimit => {
    const enforcedBy = isControlled(name) && group.enforces(name) ? group.version : WITHOUT_GROUP[name];
    const wanted = profile.limits[name];
    const ceiling = enforcedBy === "rlimit" ? held.ceilings[name] : name === "memory" ? held.memory : null;
    return {
      value: Math.min(wanted, ceiling ?? wanted),
      unit: LIMITS[name].unit,
      enforcedBy,
      hits: name === "memory" ? counts.oomKills : name === "processes" ? counts.processHits : null,
    };
  };
  return {
    limits: {
      memory: row("memory"),
      cpus: row("cpus"),
      processes: row("processes"),
      openFiles: row("openFiles"),
      timeout: row("timeout"),
      fileSize: row("fileSize"),
      disk: row("disk"),
      files: row("files"),
      output: row("output"),
    },
    network: "none",
    isolation: { ...isolation, namespaces: [...isolation.namespaces] },
  };
}

function isControlled(name: LimitName): name is Controlled {
  return name === "memory" || name === "processes" || name === "cpus";
}
