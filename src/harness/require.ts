// `require`: what a run must really have. Compared with the policy a sandbox reports, before anything runs.
import { IsoError } from "../model/errors.js";
import type { LimitName } from "../model/limits.js";
import type { Policy } from "../model/result.js";

const KERNEL_LIMITS = ["memory", "processes", "cpus"] as const satisfies readonly LimitName[];

type Test = (policy: Policy, backend: string) => boolean;

const TESTS = new Map<string, Test>([
  ...KERNEL_LIMITS.map((name): [string, Test] => [
    `${name}:kernel`,
    (policy) => policy.limits[name].enforcedBy.startsWith("cgroup"),
  ]),
  ["seccomp", (policy) => policy.isolation.seccomp],
  ["network:none", (policy) => policy.network === "none"],
  ["unprivileged", (policy) => policy.isolation.hostUid !== null && policy.isolation.hostUid !== 0],
]);

/** Throws IsoError `invalid_request` for a word that means nothing. */
export function checkRequirementNames(names: readonly string[], backends: readonly string[]): void {
  const known = [...TESTS.keys(), ...backends.map((name) => `backend:${name}`)];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new IsoError("invalid_request", `require: "${unknown.slice(0, 100)}" is not a known requirement`, {
    field: "require",
    hint: `Known: ${known.join(", ")}.`,
  });
}

/** Throws IsoError `requirement_unmet` where the sandbox does not really have what was asked for. */
export function checkRequirements(names: readonly string[], policy: Policy, backend: string): void {
  const unmet = names.filter((name) => {
    const test = TESTS.get(name);
    return test ? !test(policy, backend) : name !== `backend:${backend}`;
  });
  if (unmet.length === 0) return;
  throw new IsoError(
    "requirement_unmet",
    `This host cannot give what the run requires: ${unmet.join(", ")} (backend ${backend}).`,
    {
      field: "require",
    },
  );
}
