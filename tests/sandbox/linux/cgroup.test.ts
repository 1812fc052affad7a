// Where control groups can be on hosts of all kinds (as trees), and what they do on this one.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { groupName, planCgroups, prepareCgroups, reapGroups } from "../../../src/sandbox/linux/cgroup.js";
import { type Controlled, SandboxGroup } from "../../../src/sandbox/linux/cgroup-group.js";
import { hierarchyV1, REAL_HOST } from "../../../src/sandbox/linux/cgroup-host.js";
import { tempFiles } from "../../support/temp.js";
import { makeHost, makeV2Host } from "./host-tree.js";

const ALL = "cpuset cpu io memory hugetlb pids rdma";
const LIMITS = { memory: 64 * 1024 * 1024, processes: 20, cpus: 0.5 };
const ROOT_ID = "00000000000000aa";
const parentStat = `${process.pid} (no(de) x) S ${process.ppid} 1 1 0`;
const shellStat = `${process.ppid} (bash) S 1 1 1 0`;
const relatives = { [`proc/${process.pid}/stat`]: parentStat, [`proc/${process.ppid}/stat`]: shellStat };

describe("version 2", () => {
  const scope = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.scope";

  it("divides a delegated scope by moving ourselves and our shell into a leaf", () => {
    const host = makeV2Host(scope, { [scope]: { offers: ALL, pids: [process.pid, process.ppid] } }, relatives);
    const plan = planCgroups(host, false);
    const own = host.path(join("sys/fs/cgroup", scope));
    expect(plan).toMatchObject({ version: "cgroup-v2", divide: own, missing: new Map() });
    expect([...plan.places.values()]).toEqual([own, own, own]);
    prepareCgroups(plan);
    expect(existsSync(join(own, "iso-runtime-host/cgroup.procs"))).toBe(true);
    expect(readFileSync(join(own, "cgroup.subtree_control"), "utf8")).toMatch(/^\+(memory|pids|cpu)\n$/);
  });

  it("leaves a divided scope as it is when we start in its leaf", () => {
    const host = makeV2Host(`${scope}/iso-runtime-host`, {
      [scope]: { offers: ALL, enabled: "cpu memory pids" },
      [`${scope}/iso-runtime-host`]: { offers: "cpu memory pids", pids: [process.pid] },
    });
    const plan = planCgroups(host, false);
    expect(plan.divide).toBe(null);
    expect(plan.places.get("memory")).toBe(host.path(join("sys/fs/cgroup", scope)));
  });

  it("does not move strangers, and says how to get a scope of one's own", () => {
    const stranger = { "proc/77/stat": "77 (sshd) S 1 1 1 0" };
    const host = makeV2Host(
      "/s.scope",
      { "/s.scope": { offers: ALL, pids: [process.pid, 77] } },
      { ...relatives, ...stranger },
    );
    const plan = planCgroups(host, false);
    expect(plan.places.size).toBe(0);
    expect(plan.missing.get("memory")).toMatch(/holds processes that are not ours to move/);
    expect(plan.fix).toContain("systemd-run --user --scope -p Delegate=yes");
  });

  it("uses a slice above whose controllers are handed on already", () => {
    const host = makeV2Host(
      "/app.slice/a.scope",
      {
        "/app.slice": { offers: ALL, enabled: "cpu memory pids" },
        "/app.slice/a.scope": { offers: "cpu memory pids", pids: [process.pid, 77] },
      },
      { "proc/77/stat": "77 (vim) S 1 1 1 0" },
    );
    const plan = planCgroups(host, false);
    expect(plan).toMatchObject({ divide: null, missing: new Map() });
    expect(plan.places.get("processes")).toBe(host.path("sys/fs/cgroup/app.slice"));
  });

  it("takes what there is where only some controllers are offered", () => {
    const host = makeV2Host("/", { "/": { offers: "pids", pids: [1] } });
    const plan = planCgroups(host, true);
    expect([...plan.places.keys()]).toEqual(["processes"]);
    expect(plan.missing.get("memory")).toMatch(/does not offer the controller memory/);
  });

  it("sets limits in files of version 2 and reads its counts", () => {
    const host = makeV2Host("/", { "/": { offers: ALL, enabled: "cpu memory pids" } });
    const dir = host.path("sys/fs/cgroup/iso-runtime/x");
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "memory.swap.max"), "max\n");
    writeFileSync(join(dir, "memory.events"), "low 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n");
    writeFileSync(join(dir, "pids.events"), "max 5\n");
    const { places } = planCgroups(host, true);
    const group = new SandboxGroup("cgroup-v2", places, "x", LIMITS);
    const text = (name: string) => readFileSync(join(dir, name), "utf8");
    expect([text("memory.max"), text("memory.swap.max"), text("pids.max"), text("cpu.max")]).toEqual([
      "67108864\n",
      "0\n",
      "21\n",
      "50000 100000\n",
    ]);
    expect(group.counts()).toEqual({ oomKills: 2, processHits: 5 });
    expect(group.heldMemory()).toBe(64 * 1024 * 1024);
    writeFileSync(join(dirname(dir), "memory.max"), "max\n");
    writeFileSync(join(dirname(dirname(dir)), "memory.max"), "33554432\n");
    expect(group.heldMemory()).toBe(32 * 1024 * 1024);
    group.liftCpuLimit();
    expect(text("cpu.max")).toBe("max\n");
  });
});

describe("who is in a group", () => {
  const places = ["memory", "pids", "cpu"].map((name) => `${name}/iso-runtime/x/tasks`);
  const groupIn = (dir: string, version: "cgroup-v1" | "cgroup-v2", shared = false) => {
    const at = (name: string) => join(dir, shared ? "memory" : name);
    const folders = new Map<Controlled, string>([
      ["memory", at("memory")],
      ["processes", at("pids")],
      ["cpus", at("cpu")],
    ]);
    return new SandboxGroup(version, folders, "x", LIMITS);
  };
  const moved = (dir: string) =>
    ["memory", "pids", "cpu"].filter((name) => existsSync(join(dir, name, "iso-runtime/x/cgroup.procs")));

  it("lets a process in by itself on version 1, and moves it only where it is not", () => {
    const dir = tempFiles({
      ...Object.fromEntries(places.map((path) => [path, ""])),
      "proc/42/cgroup": "9:cpu,cpuacct:/of/ours/iso-runtime/x\n4:memory:/iso-runtime/x\n2:pids:/iso-runtime/another\n",
    });
    const group = groupIn(dir, "cgroup-v1");
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    expect(group.doors(own)).toEqual(places.map((path) => join(dir, path)));
    group.join(42, join(dir, "proc"));
    expect(moved(dir)).toEqual(["pids"]);
    expect(readFileSync(join(dir, "pids/iso-runtime/x/cgroup.procs"), "utf8")).toBe("42\n");
  });

  it("has no such way on version 2, where one folder is all limits", () => {
    const files = { "memory/iso-runtime/x/tasks": "", "proc/42/cgroup": "0::/somewhere\n" };
    const [outside, inside] = [tempFiles(files), tempFiles({ ...files, "proc/42/cgroup": "0::/a/iso-runtime/x\n" })];
    const group = groupIn(outside, "cgroup-v2", true);
    expect(group.doors({ uid: 1, gid: 1 })).toEqual([]);
    group.join(42, join(outside, "proc"));
    expect(moved(outside)).toEqual(["memory"]);
    groupIn(inside, "cgroup-v2", true).join(42, join(inside, "proc"));
    expect(moved(inside)).toEqual([]);
  });
});

describe("neither version", () => {
  it("says that nothing is mounted", () => {
    const host = makeHost({ "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "" });
    const plan = planCgroups(host, false);
    expect(plan.places.size).toBe(0);
    expect(plan.missing.get("memory")).toBe("no control groups are mounted");
  });

  it("says what a container would need", () => {
    const host = makeHost({ ".dockerenv": "", "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "" });
    expect(planCgroups(host, true).fix).toMatch(/cgroupns=private/);
  });
});

describe("version 1", () => {
  it("finds our own group below a mount that shows a part of the hierarchy", () => {
    const host = makeHost({
      "proc/self/cgroup": "4:memory:/docker/abc/inner\n3:cpu,cpuacct:/docker/abc\n",
      "proc/self/mountinfo":
        "30 23 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n31 23 0:27 /docker/abc /sys/fs/cgroup/c\\040pu rw - cgroup cgroup rw,cpu,cpuacct\n",
      "sys/fs/cgroup/memory/inner/": "",
      "sys/fs/cgroup/c pu/": "",
    });
    expect(hierarchyV1(host, "memory")?.own).toBe(host.path("sys/fs/cgroup/memory/inner"));
    expect(hierarchyV1(host, "cpu")?.own).toBe(host.path("sys/fs/cgroup/c pu"));
    expect(hierarchyV1(host, "pids")).toBe(null);
    expect(planCgroups(host, true).missing.get("processes")).toMatch(/no control group controller pids/);
  });
});

const real = planCgroups(REAL_HOST, process.getuid?.() === 0);
const hasReal = real.places.has("memory") && real.places.has("processes");
if (!hasReal) console.warn("No control groups can be written on this host: their real tests are skipped.");

describe.skipIf(!hasReal)("groups of this host", () => {
  const name = () => groupName(ROOT_ID, randomBytes(8).toString("hex"), randomBytes(4).toString("hex"));
  const makeReal = (called = name()) => {
    prepareCgroups(real);
    const group = new SandboxGroup(real.version, real.places, called, LIMITS);
    onTestFinished(async () => {
      await group.kill();
      await group.remove();
    });
    return group;
  };
  const sleeper = () => {
    const child = spawn("/usr/bin/sleep", ["600"], { stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };

  it("hold a process, kill it and are gone", async () => {
    const group = makeReal();
    const child = sleeper();
    const exited = once(child, "exit");
    group.join(child.pid ?? -1);
    expect(group.warnings).toEqual([]);
    for (const limit of real.places.keys()) expect(group.enforces(limit)).toBe(true);
    expect(readFileSync(`/proc/${child.pid}/cgroup`, "utf8")).toContain("iso-runtime/");
    await group.kill();
    expect(await exited).toEqual([null, "SIGKILL"]);
    expect(await group.remove()).toBe(true);
    for (const dir of group.folders) expect(existsSync(dir)).toBe(false);
  });

  it("tell whether one process is all they hold", async () => {
    const group = makeReal();
    const [child, other] = [sleeper(), sleeper()];
    group.join(child.pid ?? -1);
    expect(group.holdsNoneBut(child.pid ?? -1)).toBe(true);
    expect(group.holdsNoneBut(other.pid ?? -1)).toBe(false);
    group.join(other.pid ?? -1);
    expect(group.holdsNoneBut(child.pid ?? -1)).toBe(false);
    expect(new SandboxGroup(real.version, new Map(), name(), LIMITS).holdsNoneBut(child.pid ?? -1)).toBe(false);
  });

  it("leave no folder of a limit that could not be set", () => {
    const called = name();
    const group = new SandboxGroup(real.version, real.places, called, { ...LIMITS, memory: Number.NaN });
    onTestFinished(async () => void (await group.remove()));
    expect(group.enforces("memory")).toBe(false);
    const place = join(real.places.get("memory") ?? "", "iso-runtime", called);
    expect(existsSync(place)).toBe(group.folders.includes(place));
  });

  it("say of a limit they could not set that they do not enforce it", () => {
    const places = new Map<Controlled, string>([...real.places, ["memory", "/proc"]]);
    const group = new SandboxGroup(real.version, places, name(), LIMITS);
    onTestFinished(async () => void (await group.remove()));
    expect([group.enforces("memory"), group.enforces("processes")]).toEqual([false, true]);
    expect(group.warnings.join()).toMatch(/limit on memory is not set/);
    expect(group.counts().oomKills).toBe(null);
  });

  it("of dead instances are reaped with what runs in them, those of the living and of other roots stay", async () => {
    const [dead, living] = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex")];
    const [left, used] = [makeReal(groupName(ROOT_ID, dead, "01")), makeReal(groupName(ROOT_ID, living, "02"))];
    const foreign = makeReal(groupName("00000000000000bb", dead, "03"));
    const child = sleeper();
    const exited = once(child, "exit");
    left.join(child.pid ?? -1);
    await reapGroups(REAL_HOST, ROOT_ID, async (id) => id !== dead);
    await exited;
    const exists = (group: SandboxGroup) => group.folders.map((dir) => existsSync(dir));
    expect(exists(left)).not.toContain(true);
    expect([...exists(used), ...exists(foreign)]).not.toContain(false);
  });

  it("of other roots are removed once they stand empty for long, never with a process in them", async () => {
    const of = (id: string) => makeReal(groupName("00000000000000cc", "00000000000000dd", id));
    const [empty, used, young] = [of("04"), of("05"), of("06")];
    used.join(sleeper().pid ?? -1);
    const anHourAgo = Date.now() / 1000 - 3600;
    for (const dir of [...empty.folders, ...used.folders]) utimesSync(dir, anHourAgo, anHourAgo);
    const exists = (group: SandboxGroup) => group.folders.map((dir) => existsSync(dir));
    await reapGroups(REAL_HOST, ROOT_ID, async () => true);
    expect(exists(empty)).not.toContain(true);
    expect([...exists(used), ...exists(young)]).not.toContain(false);
  });
});
