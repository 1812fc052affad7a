// Which processes belong to the sandboxes of a benchmark, and what they hold and use.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Skip } from "./context.mjs";

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/**
 * `{ bytes, processes }`: bytes that are each one's alone and were written to, over all processes of all sandboxes below `folder`: descendants of this process (engines,
 * launchers, programs), those whose mounts name the folder (in containers), and the shims that a container engine keeps for the latter.
 */
export function privateDirtyOf(folder) {
  const all = new Map(pids().flatMap((pid) => describe(pid, folder)));
  const found = new Set();
  for (const [pid, { mountsIt }] of all) if (mountsIt || isBelow(all, pid, String(process.pid))) found.add(pid);
  for (const pid of [...found]) {
    const { parent } = all.get(pid);
    if (all.get(parent)?.name.startsWith("containerd-shim")) found.add(parent);
  }
  const bytes = [...found].reduce((total, pid) => total + privateDirty(pid), 0);
  return { bytes, processes: found.size };
}

function describe(pid, folder) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [name, parent] = [
      stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
      stat.slice(stat.lastIndexOf(")") + 2),
    ];
    const mountsIt = readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(folder.split("/").slice(-2).join("/"));
    return [[pid, { name, parent: parent.split(" ")[1], mountsIt }]];
  } catch {
    // It ended meanwhile.
    return [];
  }
}

function isBelow(all, pid, ancestor) {
  for (let at = all.get(pid)?.parent; at !== undefined; at = all.get(at)?.parent) if (at === ancestor) return true;
  return false;
}

export function privateDirty(pid) {
  try {
    const found = /^Private_Dirty:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
    return Number(found?.[1] ?? 0) * 1024;
  } catch (error) {
    if (error.code === "EACCES") throw new Skip("/proc/PID/smaps_rollup of a sandbox cannot be read by this user");
    return 0;
  }
}

/**
 * Puts this process into a control group of its own, which all it starts from now on is in, or below. `usedMs` is the processor time of all
 * of them, dead or alive, as the kernel charged it: what a process used is neither lost when nobody waits for it, nor rounded to ticks.
 */
export function countedGroup() {
  const v1 = place("cpuacct");
  const found = v1 ?? place("");
  if (found === null) throw new Skip("no control group counts processor time here");
  const group = join(found, `iso-bench-${process.pid}`);
  const enter = (folder) => writeFileSync(join(folder, "cgroup.procs"), String(process.pid));
  try {
    mkdirSync(group);
    enter(group);
  } catch (error) {
    throw new Skip(`a control group of its own cannot be made: ${error.message}`);
  }
  const read = (name) => readFileSync(join(group, name), "latin1");
  return {
    usedMs: () =>
      v1 ? Number(read("cpuacct.usage")) / 1e6 : Number(/^usage_usec (\d+)$/m.exec(read("cpu.stat"))[1]) / 1e3,
    close() {
      enter(found);
      remove(group);
    },
  };
}

/** Our own group in the hierarchy of a controller of version 1, or of version 2 for "". */
function place(controller) {
  const own = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const row = own.find(([, names = "", path]) => path !== undefined && names.split(",").includes(controller));
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  const mount = mounts.find(([, , type, options = ""]) =>
    controller === "" ? type === "cgroup2" : type === "cgroup" && options.split(",").includes(controller),
  );
  return row === undefined || mount === undefined ? null : join(mount[1], row[2]);
}

/** With what sandboxes made in it; one whose last process is just ending is left to the kernel. */
function remove(group) {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory()) remove(join(group, entry.name));
    rmdirSync(group);
  } catch (error) {
    console.log(`${group} is left: ${error.message}`);
  }
}
