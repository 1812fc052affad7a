// One sandbox's control group: its limits, its counts, its end. It may span several folders, as version 1 has one hierarchy for
// each controller; a limit whose folder cannot be used is simply not enforced here, and says so.
import { chownSync, closeSync, constants, existsSync, openSync, rmdirSync, writeFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FileOwner } from "../../model/instance.js";
import { errnoOf } from "../../safefs/errors.js";
import { readKernelFile } from "../../safefs/kernel-file.js";
import { makeDir } from "../../safefs/make-dir.js";
import { readWords } from "./cgroup-host.js";

export type Controlled = "memory" | "processes" | "cpus";
export type CgroupVersion = "cgroup-v1" | "cgroup-v2";

export interface GroupLimits {
  readonly memory: number;
  readonly processes: number;
  readonly cpus: number;
}

/** Their names in the kernel. */
export const CONTROLLERS: Readonly<Record<Controlled, string>> = { memory: "memory", processes: "pids", cpus: "cpu" };

export interface Counts {
  oomKills: number | null;
  processHits: number | null;
}

/** Folder that holds all groups of ours at one place of a hierarchy. */
export const PARENT_NAME = "iso-runtime";

const OWN_UID = process.getuid?.();
const CPU_PERIOD_US = 100_000;
const MIN_CPU_QUOTA_US = 1_000;
const KILL_ROUNDS = 2_000;
const REMOVE_ROUNDS = 400;
const ROUND_MS = 5;
/** The supervisor is one process of the group and none of the program's. */
const SUPERVISOR_PROCESSES = 1;

export class SandboxGroup {
  readonly version: CgroupVersion;
  /** What could not be set, for the engine's log. */
  readonly warnings: string[] = [];
  readonly #dirs = new Map<Controlled, string>();

  /** `places` are the folders below which groups go, for each limit that this host can enforce. */
  constructor(version: CgroupVersion, places: ReadonlyMap<Controlled, string>, name: string, limits: GroupLimits) {
    this.version = version;
    for (const [limit, place] of places) {
      try {
        const dir = makeGroup(version, place, name);
        this.#dirs.set(limit, dir);
        setLimit(version, dir, limit, limits);
      } catch (error) {
        const dir = this.#dirs.get(limit);
        this.#dirs.delete(limit);
        if (dir !== undefined && !this.folders.includes(dir)) removeFolder(dir);
        this.#warn(`the limit on ${limit} is not set by a control group`, error);
      }
    }
  }

  enforces(limit: Controlled): boolean {
    return this.#dirs.has(limit);
  }

  /** The memory there really is for it: a group above may have less. Null where nothing of it is known any more. */
  heldMemory(): number | null {
    const dir = this.#dirs.get("memory");
    if (dir === undefined) return null;
    if (this.version === "cgroup-v1") return readCount(join(dir, "memory.stat"), "hierarchical_memory_limit");
    const limits = withFoldersAbove(dir).map((at) => readWords(join(at, "memory.max"))[0]);
    const bytes = limits.map(Number).filter(Number.isSafeInteger);
    return bytes.length === 0 ? null : Math.min(...bytes);
  }

  get folders(): string[] {
    return [...new Set(this.#dirs.values())];
  }

  /**
   * Files into which a process of this user that has one thread writes "0" to be in, before it does anything else. To move
   * another process the kernel holds up all forks and ends on the host until every processor has taken notice, some milliseconds
   * for each hierarchy; who moves itself alone is spared that. Version 2 has no such way, and gives none.
   */
  doors(user: FileOwner): string[] {
    if (this.version === "cgroup-v2") return [];
    return this.folders.flatMap((dir) => {
      const door = join(dir, "tasks");
      try {
        if (user.uid !== OWN_UID) chownSync(door, user.uid, user.gid);
        return [door];
      } catch {
        return []; // `join` is the other way
      }
    });
  }

  /** Moves a process in, where it is not yet. A hierarchy that refuses it enforces nothing from then on. */
  join(pid: number, proc = "/proc"): void {
    const lines = readLines(join(proc, String(pid), "cgroup"));
    // In version 2 several limits have one folder.
    const ofFolder = new Map([...this.#dirs].map(([limit, dir]) => [dir, limit]));
    for (const [dir, limit] of ofFolder) {
      // A group's name is nobody else's, so the path above it need not be known.
      const place = `/${PARENT_NAME}/${basename(dir)}`;
      const names = this.version === "cgroup-v2" ? "" : CONTROLLERS[limit];
      if (lines.some((line) => isIn(line, names, place))) continue;
      try {
        writeFileSync(join(dir, "cgroup.procs"), `${pid}\n`);
      } catch (error) {
        for (const [other, of] of [...this.#dirs]) if (of === dir) this.#dirs.delete(other);
        removeFolder(dir);
        this.#warn(`${dir} does not take the sandbox`, error);
      }
    }
  }

  counts(): Counts {
    const [memory, processes] = [this.#dirs.get("memory"), this.#dirs.get("processes")];
    const oomFile = this.version === "cgroup-v1" ? "memory.oom_control" : "memory.events";
    return {
      oomKills: memory === undefined ? null : readCount(join(memory, oomFile), "oom_kill"),
      processHits: processes === undefined ? null : readCount(join(processes, "pids.events"), "max"),
    };
  }

  /** For what is being ended: that takes processor time too, and with a small share of it lasts for seconds. */
  liftCpuLimit(): void {
    const dir = this.#dirs.get("cpus");
    if (dir !== undefined) liftCpuLimit(dir, this.version);
  }

  /**
   * SIGKILL to all in it; resolves when none is left. Idempotent. Who is in one of its folders is in all of them: the first process was when
   * it was let go, and the others were born there. That none is left in any is what `remove` waits for.
   */
  async kill(): Promise<void> {
    const [dir] = this.folders;
    if (dir !== undefined) await killAll(dir);
  }

  /** Whether this process is in it and no other. False where nothing can tell. */
  holdsNoneBut(pid: number): boolean {
    const [dir] = this.folders;
    if (dir === undefined) return false;
    try {
      const pids = readKernelFile(join(dir, "cgroup.procs")).split("\n").filter(Boolean);
      return pids.length === 1 && Number(pids[0]) === pid;
    } catch {
      return false;
    }
  }

  /** Removes the emptied group; true when nothing of it is left. */
  async remove(): Promise<boolean> {
    const gone = await Promise.all(this.folders.map(removeGroup));
    return gone.every(Boolean);
  }

  #warn(what: string, error: unknown): void {
    this.warnings.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Kills and removes a group that a dead instance left behind. */
export async function destroyGroup(dir: string): Promise<void> {
  liftCpuLimit(dir, existsSync(join(dir, "cpu.max")) ? "cgroup-v2" : "cgroup-v1");
  await killAll(dir);
  await removeGroup(dir);
}

/** Whether a line of /proc/PID/cgroup, `number:controllers:path`, says that this controller's path ends so. */
function isIn(line: string, controller: string, place: string): boolean {
  const [, controllers, ...path] = line.split(":");
  return (controllers ?? "").split(",").includes(controller) && path.join(":").endsWith(place);
}

/** Groups of this process. Who removes the last one in a parent tries the parent as well. */
const living = new Set<string>();

function makeGroup(version: CgroupVersion, place: string, name: string): string {
  const parent = join(place, PARENT_NAME);
  const dir = join(parent, name);
  for (let attempt = 1; ; attempt++) {
    try {
      // One level at a time: a recursive mkdir never ends on file systems of the kernel that refuse it with ENOENT. In version 2 the
      // parent hands on its controllers first.
      if (version === "cgroup-v2" || attempt > 1) makeDir(parent, 0o777);
      if (version === "cgroup-v2") enableBelow(parent, place);
      makeDir(dir, 0o777);
      living.add(dir);
      return dir;
    } catch (error) {
      // Nobody made the parent yet, or a neighbour that ends removed it when it was the last one in it.
      if (errnoOf(error) !== "ENOENT" || attempt >= 5) throw error;
    }
  }
}

/** Hands on what the place itself hands on. */
function enableBelow(parent: string, place: string): void {
  const offered = new Set(readWords(join(place, "cgroup.subtree_control")));
  const file = join(parent, "cgroup.subtree_control");
  const enabled = new Set(readWords(file));
  for (const controller of ["memory", "pids", "cpu"]) {
    if (offered.has(controller) && !enabled.has(controller)) writeFileSync(file, `+${controller}\n`);
  }
}

function setLimit(version: CgroupVersion, dir: string, limit: Controlled, limits: GroupLimits): void {
  const set = (file: string, value: number | string) => writeFileSync(join(dir, file), `${value}\n`);
  const quotaUs = Math.max(MIN_CPU_QUOTA_US, Math.round(limits.cpus * CPU_PERIOD_US));
  if (limit === "processes") {
    set("pids.max", limits.processes + SUPERVISOR_PROCESSES);
  } else if (version === "cgroup-v1" && limit === "memory") {
    set("memory.limit_in_bytes", limits.memory);
    // With swap counted and the same limit, nothing of it is swapped.
    const swap = "memory.memsw.limit_in_bytes";
    if (isOf(dir, swap, existsSync)) set(swap, limits.memory);
  } else if (version === "cgroup-v1") {
    const period = "cpu.cfs_period_us";
    // What the kernel begins with, as far as is known.
    if (!isOf(dir, period, (file) => Number(readLines(file)[0]) === CPU_PERIOD_US)) set(period, CPU_PERIOD_US);
    set("cpu.cfs_quota_us", quotaUs);
  } else if (limit === "memory") {
    set("memory.max", limits.memory);
    if (existsSync(join(dir, "memory.swap.max"))) set("memory.swap.max", 0);
  } else {
    set("cpu.max", `${quotaUs} ${CPU_PERIOD_US}`);
  }
}

/** What was found in one new group of a parent holds for all of them: the kernel makes them alike. */
const found = new Map<string, boolean>();

function isOf(dir: string, name: string, look: (file: string) => boolean): boolean {
  const key = join(dirname(dir), name);
  const known = found.get(key) ?? look(join(dir, name));
  found.set(key, known);
  return known;
}

function withFoldersAbove(dir: string): string[] {
  return dir === dirname(dir) ? [dir] : [dir, ...withFoldersAbove(dirname(dir))];
}

function liftCpuLimit(dir: string, version: CgroupVersion): void {
  const [name, none] = version === "cgroup-v1" ? ["cpu.cfs_quota_us", "-1"] : ["cpu.max", "max"];
  try {
    // Not to be made where there is none: a folder of another controller has no such file.
    const fd = openSync(join(dir, name), constants.O_WRONLY | constants.O_TRUNC);
    try {
      writeSync(fd, `${none}\n`);
    } finally {
      closeSync(fd);
    }
  } catch {
    // The group may go at any moment; with its limit it only ends more slowly.
  }
}

/** Files as `memory.events` have lines of a key and a number. */
function readCount(file: string, key: string): number | null {
  const line = readLines(file).find((text) => text.startsWith(`${key} `));
  const count = Number(line?.slice(key.length + 1));
  return line !== undefined && Number.isSafeInteger(count) ? count : null;
}

/** None where it cannot be read. */
function readLines(file: string): string[] {
  try {
    return readKernelFile(file).split("\n");
  } catch {
    return [];
  }
}

async function killAll(dir: string): Promise<void> {
  const atOnce = join(dir, "cgroup.kill");
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const pids = readLines(join(dir, "cgroup.procs")).filter(Boolean).map(Number);
    if (pids.length === 0) return;
    if (existsSync(atOnce)) writeFileSync(atOnce, "1\n");
    else for (const pid of pids) killOne(pid);
    await sleep(ROUND_MS);
  }
}

function killOne(pid: number): void {
  // 0 stands for a process of another pid namespace, and would be our own process group here.
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH" && errnoOf(error) !== "EPERM") throw error;
  }
}

async function removeGroup(dir: string): Promise<boolean> {
  for (let round = 0; round < REMOVE_ROUNDS; round++) {
    if (removeFolder(dir)) {
      const parent = dirname(dir);
      const isLast = ![...living].some((other) => dirname(other) === parent);
      if (isLast && basename(parent) === PARENT_NAME) removeFolder(parent);
      return true;
    }
    await sleep(ROUND_MS);
  }
  return false;
}

/** False where something is still in it. */
function removeFolder(dir: string): boolean {
  try {
    rmdirSync(dir);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") return false;
  }
  living.delete(dir);
  return true;
}
