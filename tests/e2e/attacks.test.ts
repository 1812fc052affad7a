// `doctor --attack` on every real backend: green with all layers on, and red when one is taken away, each in turn. A layer that
// stands behind another one is taken away together with it, as the table below says.
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ATTACKS } from "../../src/attack/attacks.js";
import { runAttacks } from "../../src/attack/run-attacks.js";
import type { Seams } from "../../src/harness/seams.js";
import { LAYERS, type Layer } from "../../src/sandbox/layers.js";
import { canReach } from "../../src/sandbox/linux/access.js";
import { realBackends } from "../support/backends.js";
import { CLI, runCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { runnerWithout } from "../support/runner-without.js";
import { suiteDir, tempDir } from "../support/temp.js";

const ROOTS = ["ISO_RUNTIME_USER_WORKSPACE_ROOT", "ISO_RUNTIME_SANDBOX_ROOT"] as const;
const isRoot = process.getuid?.() === 0;
/** Somebody without control groups of his own, as most people are. */
const ORDINARY = { uid: 4242, gid: 4242 };

interface Removal {
  /** All but `proof` are what an attack must miss. */
  readonly without: readonly Layer[];
  readonly runner?: readonly [file: string, line: string];
  /** Each of these gets through. */
  readonly red: readonly string[];
  /** Only root can start an engine without a user of its own. */
  readonly asRoot?: boolean;
}

/** The same on all backends. */
const COMMON: readonly Removal[] = [
  {
    without: ["pid-namespace", "proof"],
    red: ["find the host's processes", "share the host's pid namespace", "kill its supervisor"],
  },
  { without: ["network-namespace", "proof"], red: ["connect to the host's loopback", "find a way out"] },
  { without: ["ipc-namespace", "proof"], red: ["share the host's ipc namespace"] },
  { without: ["uts-namespace", "proof"], red: ["share the host's uts namespace"] },
  { without: ["cgroup-namespace", "proof"], red: ["share the host's cgroup namespace"] },
  { without: ["host-uid", "proof"], red: ["be root of the host"], asRoot: true },
  { without: ["host-uid", "proc-masks", "proof"], red: ["write to the host's kernel settings"], asRoot: true },
  { without: ["read-only-root"], red: ["write beside its folders"] },
  { without: ["minimal-root"], red: ["read a file of the host", "connect to a socket file of the host"] },
  { without: ["tmp-size"], red: ["fill /tmp"] },
  { without: ["shm-size"], red: ["fill /dev/shm"] },
  { without: ["capabilities", "proof"], red: ["hold a capability"] },
  { without: ["memory-cgroup"], red: ["take memory", "take shared memory"] },
  { without: ["process-cgroup"], red: ["start processes", "start threads"] },
  { without: ["open-files"], red: ["open files"] },
  { without: ["file-size"], red: ["write a large file"] },
  { without: ["disk-watch"], red: ["fill the disk"] },
  { without: ["files-watch"], red: ["make a million files"] },
  { without: ["output-cap"], red: ["flood its output"] },
  { without: ["deadline"], red: ["outlast its deadline"] },
  { without: ["tool-allow-list"], red: ["call a forbidden tool"] },
  {
    without: [],
    runner: ["boot.py", "prctl(PR_SET_DUMPABLE, 0)"],
    red: ["write the supervisor's memory"],
  },
  { without: [], runner: ["launch.py", "close_all_but("], red: ["find an inherited descriptor"] },
];

/** The same on the engines that are on this kernel. */
const ON_THIS_KERNEL: readonly Removal[] = [
  { without: ["private-dev"], red: ["open devices"] },
  // The launcher of a root host covers the host's /tmp as well.
  { without: ["private-tmp", "host-uid", "proof"], red: ["read the host's /tmp"], asRoot: true },
  { without: ["private-shm"], red: ["read the host's /dev/shm"] },
  { without: ["proc-masks"], red: ["read what /proc tells of the host"] },
  { without: ["sys"], red: ["look at the machine through /sys"] },
  { without: ["seccomp", "proof"], red: ATTACKS.filter(isOfTheFilter).map(({ name }) => name) },
  {
    without: ["nested-userns", "seccomp", "proof"],
    red: ["make a user namespace", "make a user namespace by clone"],
  },
  { without: ["environment"], red: ["find the host's environment"] },
  { without: ["new-session"], runner: ["program.py", "setsid()"], red: ["reach the host's terminal"] },
];

const REMOVALS: Readonly<Record<string, readonly Removal[]>> = {
  // Without a user namespace its launcher could make nothing else.
  zygote: [
    ...COMMON.filter(({ without }) => without[0] !== "read-only-root"),
    // The root is the launcher's, which is somebody else where the host is root.
    { without: ["read-only-root", "host-uid", "proof"], red: ["write beside its folders"], asRoot: true },
    ...ON_THIS_KERNEL,
  ],
  bubblewrap: [
    ...COMMON,
    {
      without: ["user-namespace", "host-uid", "capabilities", "proof"],
      red: ["share the host's user namespace", "become root"],
      asRoot: true,
    },
    ...ON_THIS_KERNEL,
  ],
  docker: [
    ...COMMON,
    { without: ["private-tmp"], red: ["read the host's /tmp"] },
    { without: ["proc-masks"], red: ["read what /proc tells of the host"] },
    {
      without: ["seccomp"],
      red: ["call by the 32-bit table", "talk to the kernel's odd sockets", "type into a terminal"],
    },
    {
      without: ["seccomp", "engine-seccomp", "proof"],
      red: ["be under no filter", "use the host's keys", "clone a mount"],
    },
    { without: ["no-new-privileges", "seccomp", "proof"], red: ["gain privileges by a program"] },
  ],
};

/** What no table above takes away, and why. */
const NOT_REMOVED: Readonly<Partial<Record<Layer, string>>> = {
  "mount-namespace": "all engines make it always",
  "memory-rlimit": "stands in where no control group is; the attack says so",
  "process-rlimit": "stands in where no control group is",
  "host-verdict": "is how every run is judged, no part of its own",
  "no-follow": "is the one way there is to the program's files",
};

/** Attacks that nothing but the filter holds: all of them are through without it. */
function isOfTheFilter({ layers }: (typeof ATTACKS)[number]): boolean {
  return layers.length === 1 && layers[0] === "seccomp";
}

describe("the tables of this test", () => {
  it("take away every layer there is, or say why not", () => {
    const removed = Object.values(REMOVALS).flatMap((rows) => rows.flatMap(({ without }) => without));
    const byRunner: Layer[] = ["supervisor-closed", "descriptors", "cpu-cgroup"];
    const known = new Set<string>([...removed, ...byRunner, ...Object.keys(NOT_REMOVED)]);
    expect(Object.keys(LAYERS).filter((layer) => !known.has(layer))).toEqual([]);
  });
});

describe.each(realBackends())("attacks on %s", (backend) => {
  const dir = suiteDir();
  const before = ROOTS.map((name) => process.env[name]);
  beforeAll(() => {
    for (const name of ROOTS) process.env[name] = join(dir, name.toLowerCase());
  });
  afterAll(async () => {
    for (const [index, name] of ROOTS.entries()) {
      const value = before[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    expect(await leftOver(dir)).toEqual([]);
  });

  async function outcomes(only: readonly string[] | undefined, seams: Seams): Promise<Record<string, string>> {
    const { attacks } = await runAttacks({ backend, ...(only && { only }) }, seams);
    return Object.fromEntries(attacks.map(({ name, outcome }) => [name, outcome]));
  }

  it("hold with all layers on, each by a layer that is named for it, and leave nothing", async () => {
    const { ok, attacks, totals } = await runAttacks({ backend });
    const busy = attacks.filter(
      ({ name, outcome }) => name === "take processors" && outcome === "not_applicable",
    ).length;
    const notHeld = attacks.filter(({ outcome }) => !["held", "not_applicable"].includes(outcome));
    // An ordinary user without control groups of its own is told what is not held.
    expect(notHeld.filter(({ outcome }) => outcome !== "unprotected")).toEqual([]);
    if (isRoot) expect(notHeld).toEqual([]);
    expect(ok).toBe(true);
    expect(attacks.length).toBe(ATTACKS.length);
    expect(totals.not_applicable - busy).toBeLessThanOrEqual(backend === "docker" ? 2 : 0);
    const state = join(process.env.ISO_RUNTIME_SANDBOX_ROOT ?? "", ".iso-runtime");
    expect(readdirSync(state)).toEqual([]);
    expect(existsSync(process.env.ISO_RUNTIME_USER_WORKSPACE_ROOT ?? "")).toBe(false);
    const decoys = ["/tmp", "/var/tmp", "/dev/shm"].flatMap((folder) => readdirSync(folder));
    expect(decoys.filter((name) => name.startsWith("iso-runtime-attack-"))).toEqual([]);
  });

  it.each((["network-namespace", "capabilities"] as const).map((layer) => [layer]))(
    "are not even begun without %s: the proof refuses the sandbox",
    async (layer) => {
      const refused = runAttacks({ backend, only: [] }, { without: new Set([layer]) });
      await expect(refused).rejects.toMatchObject({ code: "sandbox_unavailable", message: /not what it must be/ });
    },
  );

  describe.concurrent("without a layer", () => {
    const rows = (REMOVALS[backend] ?? []).filter(({ asRoot }) => isRoot || !asRoot);
    it.each(rows.map((row) => [nameOf(row), row] as const))(
      "%s: get through",
      async (name, { without, runner, red }) => {
        const runnerDir = runner && runnerWithout(join(dir, name.replaceAll(/\W+/g, "-")), ...runner);
        const found = await outcomes(red, { without: new Set(without), ...(runnerDir && { runnerDir }) });
        expect(found).toEqual(Object.fromEntries(red.map((attack) => [attack, "got_through"])));
      },
    );
  });

  it("cpu-cgroup: get through", async () => {
    const found = await outcomes(["take processors"], { without: new Set(["cpu-cgroup"]) });
    // On a machine whose processors others take it may not be told, but held it is never.
    expect(found["take processors"]).toMatch(/^(got_through|not_applicable)$/);
  });

  it("are told as one document, and by the exit status", async () => {
    const { status, stdout } = await runCli(["doctor", "--attack", "--backend", backend, "--json"], { roots: dir });
    const report: unknown = JSON.parse(stdout);
    expect(report).toMatchObject({ schema: "iso-runtime/attack-report@1", ok: true, backend });
    expect(status).toBe(0);
  });
});

describe("the command", () => {
  it("exits with 3 where no sandbox can be had, and says why", async () => {
    const args = ["doctor", "--attack", "--backend", "docker", "--json"];
    const ran = await runCli(args, { roots: tempDir(), env: { DOCKER_HOST: "unix:///nowhere/docker.sock" } });
    expect(JSON.parse(ran.stdout)).toMatchObject({ ok: false, error: { code: "sandbox_unavailable" } });
    expect(ran.status).toBe(3);
  });

  it("refuses a requirement that the engine does not meet", async () => {
    const args = ["doctor", "--attack", "--backend", "bubblewrap", "--require", "backend:docker"];
    const ran = await runCli(args, { roots: tempDir() });
    expect(ran.stderr).toMatch(/cannot give what the run requires: backend:docker/);
    expect(ran.status).toBe(2);
  });

  it.skipIf(!isRoot || !existsSync("/usr/bin/setpriv") || !canReach(ORDINARY, CLI))(
    "tells an ordinary user what no control group holds, which is a failure where it is required",
    () => {
      const home = tempDir();
      chownSync(home, ORDINARY.uid, ORDINARY.gid);
      const attack = (...flags: string[]) => {
        const as = ["--reuid", String(ORDINARY.uid), "--regid", String(ORDINARY.gid), "--clear-groups", "--"];
        const command = [process.execPath, CLI, "doctor", "--attack", "--backend", "bubblewrap", "--json", ...flags];
        const env = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: home, XDG_DATA_HOME: home };
        const roots = { [ROOTS[0]]: join(home, "workspace"), [ROOTS[1]]: join(home, "sandbox") };
        return spawnSync("/usr/bin/setpriv", [...as, ...command], {
          cwd: "/",
          env: { ...env, ...roots },
          encoding: "utf8",
        });
      };
      const unheld = [
        { name: "take shared memory", outcome: "unprotected" },
        { name: "take processors", outcome: "unprotected" },
      ];
      const plain = attack();
      expect(JSON.parse(plain.stdout)).toMatchObject({
        ok: true,
        attacks: expect.arrayContaining(unheld.map((row) => expect.objectContaining(row))),
      });
      expect(plain.status).toBe(0);
      const strict = attack("--require", "memory:kernel");
      expect(strict.stderr).toMatch(/take shared memory: got through: memory:kernel is required/);
      expect(strict.status).toBe(1);
    },
  );
});

function nameOf({ without, runner }: Removal): string {
  const layers = without.filter((layer) => layer !== "proof");
  return [...layers, ...(runner ? [`the runner's ${runner[1]}`] : [])].join(" and ");
}
