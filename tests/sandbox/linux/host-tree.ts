// Trees that stand for /proc, /sys and /etc of hosts this test does not run on.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostRoots } from "../../../src/sandbox/linux/cgroup-host.js";
import { tempDir } from "../../support/temp.js";

/** Files by path; a path that ends in "/" is a folder. */
export function makeHost(files: Record<string, string>): HostRoots & { path(name: string): string } {
  const root = tempDir();
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    if (name.endsWith("/")) mkdirSync(path, { recursive: true });
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
  return { root, proc: join(root, "proc"), path: (name) => join(root, name) };
}

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate";

/** A host with version 2, whose groups are given as folder → what is in its files. */
export function makeV2Host(own: string, groups: Record<string, V2Group>, more: Record<string, string> = {}) {
  const files: Record<string, string> = {
    "proc/self/mountinfo": `22 27 0:21 / /proc rw - proc proc rw\n${V2_MOUNT}\n`,
    "proc/self/cgroup": `0::${own}\n`,
    ...more,
  };
  for (const [folder, group] of Object.entries(groups)) {
    const at = join("sys/fs/cgroup", folder);
    files[join(at, "cgroup.controllers")] = group.offers;
    files[join(at, "cgroup.subtree_control")] = group.enabled ?? "";
    files[join(at, "cgroup.procs")] = (group.pids ?? []).map((pid) => `${pid}\n`).join("");
    if (folder !== "/") files[join(at, "cgroup.type")] = "domain\n";
  }
  const host = makeHost(files);
  for (const [folder, group] of Object.entries(groups)) {
    if (group.readOnly)
      for (const file of ["cgroup.procs", "cgroup.subtree_control", ""])
        chmodSync(host.path(join("sys/fs/cgroup", folder, file)), 0o555);
  }
  return host;
}

export interface V2Group {
  offers: string;
  enabled?: string;
  pids?: number[];
  /** Modes mean nothing to root: a test of it is for ordinary users. */
  readOnly?: boolean;
}
