// Decides where on this host the groups of sandboxes can be: version 1 controllers we may write to, a part of version 2 that is
// ours to divide, or nowhere, with the reason and the command that mends it.
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type CgroupVersion, CONTROLLERS, type Controlled, destroyGroup, PARENT_NAME } from "./cgroup-group.js";
import { type HostRoots, hierarchyV1, hierarchyV2, isWritable, readFileOrNull, readWords } from "./cgroup-host.js";

export interface CgroupPlan {
  readonly version: CgroupVersion;
  /** The folder below which groups go, for each limit that can be enforced. */
  readonly places: ReadonlyMap<Controlled, string>;
  /** Version 2: a folder whose processes move into a leaf before it can be divided; null where nothing has to move. */
  readonly divide: string | null;
  /** Limits that no group enforces here, and why. */
  readonly missing: ReadonlyMap<Controlled, string>;
  /** How to get what is missing. */
  readonly fix: string | null;
}

const LIMITS_IN_ORDER: readonly Controlled[] = ["memory", "processes", "cpus"];
/** Leaf that holds our own process once its group was divided. */
const HOST_LEAF = "iso-runtime-host";
const DIVIDE_ATTEMPTS = 3;
const MAX_SIBLINGS = 2_000;
const GROUP_NAME = /^[0-9a-f]{16}-[0-9a-f]{16}-[0-9a-f]+$/;
/** Far longer than a boot can take from making its group to joining it. */
const ABANDONED_MS = 10 * 60_000;

const DELEGATE_COMMAND = "systemd-run --user --scope -p Delegate=yes iso-runtime …";

/** Reads only. */
export function planCgroups(roots: HostRoots, isRoot: boolean): CgroupPlan {
  const v2 = planV2(roots, isRoot);
  if (v2.places.size === LIMITS_IN_ORDER.length) return v2;
  const v1 = planV1(roots);
  // A host may have both mounted; controllers are in one of them only.
  return v1.places.size > v2.places.size ? v1 : v2;
}

function planV1(roots: HostRoots): CgroupPlan {
  const places = new Map<Controlled, string>();
  const missing = new Map<Controlled, string>();
  for (const limit of LIMITS_IN_ORDER) {
    const controller = CONTROLLERS[limit];
    const hierarchy = hierarchyV1(roots, controller);
    if (hierarchy === null) missing.set(limit, `no control group controller ${controller} is mounted`);
    else if (!isWritable(hierarchy.own)) missing.set(limit, `${hierarchy.own} is not writable for us`);
    else places.set(limit, hierarchy.own);
  }
  const fix =
    missing.size === 0 ? null : "Run iso-runtime as root, or have an administrator hand these control groups to you.";
  return { version: "cgroup-v1", places, divide: null, missing, fix };
}

function planV2(roots: HostRoots, isRoot: boolean): CgroupPlan {
  const refused: string[] = [];
  const candidates = candidatesV2(roots, isRoot);
  let best: CgroupPlan | null = null;
  for (const { dir, mayMove } of candidates) {
    const judged = judgePlace(roots, dir, mayMove);
    if (typeof judged === "string") {
      if (!refused.includes(judged)) refused.push(judged);
    } else if (best === null || judged.places.size > best.places.size) {
      best = judged;
      if (best.missing.size === 0) break;
    }
  }
  if (best !== null) return best;
  const reason = refused[0] ?? "no control groups are mounted";
  const missing = new Map(LIMITS_IN_ORDER.map((limit) => [limit, reason]));
  return { version: "cgroup-v2", places: new Map(), divide: null, missing, fix: fixFor(roots, candidates.length > 0) };
}

interface Candidate {
  dir: string;
  mayMove: boolean;
}

/**
 * Our own group, then those above it. An ordinary user's own unit is divided before a slice above is used, which is its
 * manager's; root finds a place above where nothing has to move.
 */
function candidatesV2(roots: HostRoots, isRoot: boolean): Candidate[] {
  const hierarchy = hierarchyV2(roots);
  if (hierarchy === null) return [];
  const own = basename(hierarchy.own) === HOST_LEAF ? dirname(hierarchy.own) : hierarchy.own;
  const still = [own, ...foldersAbove(own, hierarchy.mountPoint)].map((dir) => ({ dir, mayMove: false }));
  const moved = { dir: own, mayMove: true };
  return isRoot ? [...still, moved] : [...still.slice(0, 1), moved, ...still.slice(1)];
}

function foldersAbove(dir: string, top: string): string[] {
  if (dir === top || !dir.startsWith(top)) return [];
  return [dirname(dir), ...foldersAbove(dirname(dir), top)];
}

/** What a folder of version 2 could enforce, or the reason why nothing. */
function judgePlace(roots: HostRoots, dir: string, mayMove: boolean): CgroupPlan | string {
  for (const file of ["", "cgroup.procs", "cgroup.subtree_control"]) {
    if (!isWritable(join(dir, file))) return `${join(dir, file)} is not writable for us`;
  }
  const offered = new Set(readWords(join(dir, "cgroup.controllers")));
  const wanted = LIMITS_IN_ORDER.filter((limit) => offered.has(CONTROLLERS[limit]));
  if (wanted.length === 0) return `${dir} offers no controller of memory, processes or cpu`;
  const enabled = new Set(readWords(join(dir, "cgroup.subtree_control")));
  const needsEnabling = wanted.some((limit) => !enabled.has(CONTROLLERS[limit]));
  let divide: string | null = null;
  if (needsEnabling && !isHierarchyRoot(dir)) {
    const pids = readWords(join(dir, "cgroup.procs"));
    // A group that is divided holds no processes itself.
    if (pids.length > 0 && !(mayMove && allRelatives(roots, pids))) {
      return `${dir} holds processes that are not ours to move`;
    }
    if (pids.length > 0) divide = dir;
  }
  const missing = new Map(
    LIMITS_IN_ORDER.filter((limit) => !wanted.includes(limit)).map((limit) => [
      limit,
      `${dir} does not offer the controller ${CONTROLLERS[limit]}`,
    ]),
  );
  const places = new Map(wanted.map((limit) => [limit, dir]));
  return { version: "cgroup-v2", places, divide, missing, fix: missing.size === 0 ? null : fixFor(roots, true) };
}

/** The real root is exempt from the rule that a divided group holds no processes, and alone has no type. */
function isHierarchyRoot(dir: string): boolean {
  return !existsSync(join(dir, "cgroup.type"));
}

/** Whether all of them are above or below this process: its shell and wrappers, or what it started. */
function allRelatives(roots: HostRoots, pids: readonly string[]): boolean {
  const above = ancestry(roots, process.pid);
  return pids.every((pid) => above.has(Number(pid)) || ancestry(roots, Number(pid)).has(process.pid));
}

function ancestry(roots: HostRoots, from: number): Set<number> {
  const seen = new Set<number>();
  for (let pid = from; pid > 0 && !seen.has(pid); pid = parentOf(roots, pid)) seen.add(pid);
  return seen;
}

function parentOf(roots: HostRoots, pid: number): number {
  const stat = readFileOrNull(join(roots.proc, String(pid), "stat")) ?? "";
  // The command's name is in brackets and may hold anything.
  return Number(stat.slice(stat.lastIndexOf(")") + 1).split(" ")[2] ?? 0) || 0;
}

function fixFor(roots: HostRoots, mounted: boolean): string {
  if (existsSync(join(roots.root || "/", ".dockerenv")) || existsSync(join(roots.root || "/", "run/.containerenv"))) {
    return "Inside a container: start it with --cgroupns=private and a writable /sys/fs/cgroup, or accept rlimits.";
  }
  return mounted ? `Start it so: ${DELEGATE_COMMAND}` : "Mount the control groups at /sys/fs/cgroup.";
}

/** Makes a version 2 place hand its controllers on. Throws where the kernel refuses; then nothing is enforced there. */
export function prepareCgroups(plan: CgroupPlan): void {
  if (plan.version !== "cgroup-v2") return;
  for (const place of new Set(plan.places.values())) {
    if (plan.divide === place) moveAside(place);
    const enabled = new Set(readWords(join(place, "cgroup.subtree_control")));
    for (const [limit, dir] of plan.places) {
      if (dir === place && !enabled.has(CONTROLLERS[limit])) enable(plan, place, CONTROLLERS[limit]);
    }
  }
}

function enable(plan: CgroupPlan, place: string, controller: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      writeFileSync(join(place, "cgroup.subtree_control"), `+${controller}\n`);
      return;
    } catch (error) {
      if (attempt >= DIVIDE_ATTEMPTS) throw error;
      // A process forked meanwhile is still in the folder.
      if (plan.divide === place) moveAside(place);
    }
  }
}

function moveAside(place: string): void {
  const leaf = join(place, HOST_LEAF);
  if (!existsSync(leaf)) mkdirSync(leaf);
  for (const pid of readWords(join(place, "cgroup.procs"))) {
    try {
      writeFileSync(join(leaf, "cgroup.procs"), `${pid}\n`);
    } catch {
      // It has ended meanwhile, or the enabling that follows tells.
    }
  }
}

/**
 * Groups of this workspace root whose instance is dead, also where that one was in another unit beside ours. `isAlive` is asked
 * after all were listed. Whether an instance of another root lives cannot be asked; of theirs only what long stands empty goes.
 */
export async function reapGroups(
  roots: HostRoots,
  rootId: string,
  isAlive: (instanceId: string) => Promise<boolean>,
): Promise<void> {
  const groups = allPlaces(roots).flatMap((place) => {
    const parent = join(place, PARENT_NAME);
    return listFolders(parent).map((name) => ({ owner: groupOwner(name, rootId), name, dir: join(parent, name) }));
  });
  const found = groups.flatMap(({ owner, dir }) => (owner === null ? [] : [{ owner, dir }]));
  for (const { owner, name, dir } of groups) if (owner === null && GROUP_NAME.test(name)) removeAbandoned(dir);
  const alive = new Map<string, boolean>();
  for (const { owner } of found) if (!alive.has(owner)) alive.set(owner, await isAlive(owner));
  await Promise.all(found.filter(({ owner }) => alive.get(owner) === false).map(({ dir }) => destroyGroup(dir)));
}

export function groupName(rootId: string, instanceId: string, sandboxId: string): string {
  return `${rootId}-${instanceId}-${sandboxId}`;
}

/** The kernel refuses to remove a group that has a process; a sandbox joins its own a moment after it was made. */
function removeAbandoned(dir: string): void {
  try {
    if (Date.now() - statSync(dir).mtimeMs >= ABANDONED_MS) rmdirSync(dir);
  } catch {
    // It is in use, or somebody else removed it.
  }
}

/** The instance in a name that `groupName` made for this root; null in any other. */
export function groupOwner(name: string, rootId: string): string | null {
  const end = name.lastIndexOf("-");
  if (!name.startsWith(`${rootId}-`) || end <= rootId.length + 1) return null;
  return name.slice(rootId.length + 1, end);
}

function allPlaces(roots: HostRoots): string[] {
  const hierarchies = [hierarchyV2(roots), ...LIMITS_IN_ORDER.map((limit) => hierarchyV1(roots, CONTROLLERS[limit]))];
  const places = hierarchies.flatMap((hierarchy) => {
    if (hierarchy === null) return [];
    const { own, mountPoint } = hierarchy;
    const above = foldersAbove(own, mountPoint);
    const beside = above[0] === undefined ? [] : listFolders(above[0]).slice(0, MAX_SIBLINGS);
    return [own, ...above, ...beside.map((name) => join(dirname(own), name))];
  });
  return [...new Set(places)];
}

function listFolders(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
