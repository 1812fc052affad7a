// What a sandbox on this kernel is when layers are taken away that no engine makes, for tests that must see what each is good for.
import { existsSync } from "node:fs";
import { LIMITS } from "../../model/limits.js";
import type { Layer, Without } from "../layers.js";
import type { GroupLimits } from "./cgroup-group.js";

const HOST_FOLDERS: readonly [Layer, readonly string[]][] = [
  ["private-tmp", ["/tmp"]],
  ["private-shm", ["/dev/shm"]],
  ["minimal-root", ["/var", "/home", "/opt", "/srv", "/mnt"]],
];

/** Folders of the host that a sandbox without these layers shows; its launcher must find them. */
export function hostFolders(without: Without): string[] {
  return HOST_FOLDERS.flatMap(([layer, paths]) => (without.has(layer) ? paths.filter((path) => existsSync(path)) : []));
}

/** Without any of its limits there is no control group either, and the policy says so. */
export function placesFor<Places extends ReadonlyMap<unknown, unknown>>(
  places: Places,
  without: Without,
): Places | Map<never, never> {
  const isNeeded = (["memory-cgroup", "process-cgroup", "cpu-cgroup"] as const).some((layer) => !without.has(layer));
  return isNeeded ? places : new Map<never, never>();
}

/** The bounds its control group gets. The policy goes on saying what was asked for: an attack has to find out. */
export function unbounded(limits: GroupLimits, without: Without): GroupLimits {
  if (without.size === 0) return limits;
  const { memory, processes, cpus } = limits;
  return {
    memory: without.has("memory-cgroup") ? LIMITS.memory.max : memory,
    processes: without.has("process-cgroup") ? LIMITS.processes.max : processes,
    cpus: without.has("cpu-cgroup") ? LIMITS.cpus.max : cpus,
  };
}
