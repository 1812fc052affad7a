// Lines of `doctor` that all engines on this kernel share.
import { toIsoError } from "../../model/errors.js";
import type { BackendContext, Check } from "../backend.js";
import { thisMachine } from "../seccomp/filter.js";
import { planCgroups } from "./cgroup.js";
import type { HostRoots } from "./cgroup-host.js";
import { findInterpreter } from "./interpreter.js";

/** Which Python sandboxes would run. */
export async function pythonCheck({
  python,
  searchPath,
  facts,
}: Pick<BackendContext, "python" | "searchPath" | "facts">): Promise<Check> {
  try {
    const { executable, version } = await findInterpreter({ chosen: python, searchPath, packages: [], facts });
    return { name: "python", status: "ok", message: `${executable} ${version}` };
  } catch (error) {
    return failed("python", error);
  }
}

export function filterCheck(): Check {
  const machine = thisMachine();
  if (machine !== null) return { name: "seccomp", status: "ok", message: `a system call filter for ${machine}` };
  const fix = "Use the docker backend.";
  return { name: "seccomp", status: "fail", message: `there is no system call filter for ${process.arch}`, fix };
}

/** What enforces the limits. */
export function cgroupCheck(roots: HostRoots, isRoot: boolean): Check {
  const { places, missing, version, fix } = planCgroups(roots, isRoot);
  const name = "control groups";
  if (missing.size === 0) return { name, status: "ok", message: `${version} enforces memory, processes and cpus` };
  const reasons = [...new Set(missing.values())].join("; ");
  const enforced = places.size === 0 ? "nothing" : `${[...places.keys()].join(" and ")} by ${version}`;
  const weaker = `${[...missing.keys()].join(", ")}: per-process rlimits at most`;
  const message = `enforced: ${enforced}; ${weaker} (${reasons})`;
  return { name, status: "warn", message, ...(fix !== null && { fix }) };
}

export function failed(name: string, error: unknown): Check {
  const { message, hint } = toIsoError(error);
  return { name, status: "fail", message, ...(hint !== undefined && { fix: hint }) };
}
