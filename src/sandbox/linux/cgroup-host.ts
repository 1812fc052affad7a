// What /proc says of the control groups of this process: which hierarchies are mounted where, and where in them we are. It
// reads and decides nothing.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Where the kernel's files are; a test passes trees of its own. */
export interface HostRoots {
  /** "/proc" */
  readonly proc: string;
  /** Put before every mount point and every path of the host; "" on a real one. */
  readonly root: string;
}

export const REAL_HOST: HostRoots = { proc: "/proc", root: "" };

export interface Hierarchy {
  /** "" for version 2. */
  readonly controller: string;
  readonly mountPoint: string;
  /** Our own group as a folder below the mount point. */
  readonly own: string;
}

export function readFileOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

export function readWords(path: string): string[] {
  return (readFileOrNull(path) ?? "").split(/\s+/).filter(Boolean);
}

/** False on a read-only mount too, whoever asks. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The version 1 hierarchy of a controller, or null where it is not mounted. */
export function hierarchyV1(roots: HostRoots, controller: string): Hierarchy | null {
  return find(roots, controller, (mount) => mount.type === "cgroup" && mount.options.includes(controller));
}

export function hierarchyV2(roots: HostRoots): Hierarchy | null {
  return find(roots, "", (mount) => mount.type === "cgroup2");
}

function find(roots: HostRoots, controller: string, isIt: (mount: Mount) => boolean): Hierarchy | null {
  const mount = readMounts(roots).find(isIt);
  const path = ownPath(roots, controller);
  if (mount === undefined || path === null) return null;
  const mountPoint = join(roots.root || "/", mount.point);
  if (!existsSync(mountPoint)) return null;
  // In a container the mount may show a part of the hierarchy only, and we may be outside of it.
  const below = relative(mount.shown, path);
  const own = below.startsWith("..") ? mountPoint : join(mountPoint, below);
  return { controller, mountPoint, own: existsSync(own) ? own : mountPoint };
}

/** Lines of /proc/self/cgroup are `number:controllers:path`; version 2 has number 0 and no controllers. */
function ownPath(roots: HostRoots, controller: string): string | null {
  for (const line of (readFileOrNull(join(roots.proc, "self/cgroup")) ?? "").split("\n")) {
    const [number, controllers, ...path] = line.split(":");
    if (controllers === undefined || path.length === 0) continue;
    const matches =
      controller === "" ? number === "0" && controllers === "" : controllers.split(",").includes(controller);
    if (matches) return path.join(":");
  }
  return null;
}

interface Mount {
  readonly shown: string;
  readonly point: string;
  readonly type: string;
  readonly options: string[];
}

function readMounts(roots: HostRoots): Mount[] {
  const text = readFileOrNull(join(roots.proc, "self/mountinfo")) ?? "";
  return text.split("\n").flatMap((line) => {
    const [left, right] = line.split(" - ");
    const [, , , shown, point] = left?.split(" ") ?? [];
    const [type, , options] = right?.split(" ") ?? [];
    if (shown === undefined || point === undefined || type === undefined) return [];
    return [{ shown: unescapeField(shown), point: unescapeField(point), type, options: options?.split(",") ?? [] }];
  });
}

/** Blanks and backslashes stand as octal in mountinfo. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
