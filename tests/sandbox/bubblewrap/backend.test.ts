// Sandboxes with the real engine: their life from boot to dispose, what they leave behind, and what the kernel counted.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MiB } from "../../../src/model/limits.js";
import { planCgroups } from "../../../src/sandbox/linux/cgroup.js";
import { REAL_HOST } from "../../../src/sandbox/linux/cgroup-host.js";
import { tempDir } from "../../support/temp.js";
import { isRoot, makeBackend, makeContext, makeProfile, makeRunDir, printedJson, run, start } from "./bed.js";

const { places } = planCgroups(REAL_HOST, isRoot);
const countsMemory = places.has("memory");
const countsProcesses = places.has("processes");
if (places.size === 0) console.warn("No control groups can be written here: tests of kernel counts are skipped.");

const WRITE_A_FILE = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write("hi")\nprint("done")';

/** How many live processes are in this pid namespace; its name is the same on both sides. A dead one may wait to be reaped by init. */
function countInside(namespace: string): number {
  const isInside = (pid: string) => {
    try {
      const isDead = /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      return readlinkSync(`/proc/${pid}/ns/pid`) === namespace && !isDead;
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isInside(name)).length;
}

describe("a sandbox", () => {
  it("says hello, runs a program on the host's files, and leaves nothing behind", async () => {
    const context = makeContext();
    const backend = makeBackend(context);
    const ran = await run(backend, context, WRITE_A_FILE);
    expect(ran).toMatchObject({ stdout: "done\n", exit: { exitCode: 0, signal: null }, facts: { lost: null } });
    expect(ran.sandbox.python.path).toBe("/usr/bin/python3");
    expect(readFileSync(join(ran.dir, "out/a.txt"), "utf8")).toBe("hi");
    await backend.close();
    expect(readdirSync(context.slotsDir)).toEqual([]);
  });

  it("keeps its files when the delivered folder is renamed while the program runs", async () => {
    const context = makeContext();
    const sandbox = await makeBackend(context).boot(makeProfile());
    const dir = makeRunDir(context);
    const code = `${WRITE_A_FILE}\nimport time\ntime.sleep(600)`;
    const running = await start(
      sandbox,
      dir,
      `print("up", flush=True)\nimport time, os\nwhile not os.path.exists("/sandbox/work/go"): time.sleep(0.01)\n${code}`,
    );
    await running.printed("up");
    renameSync(dir, `${dir}-moved`);
    mkdirSync(`${dir}-moved/work/go`);
    await running.printed("done");
    await sandbox.dispose();
    expect(readFileSync(`${dir}-moved/out/a.txt`, "utf8")).toBe("hi");
  });

  it.each([
    ["import sys; sys.exit(137)", { exitCode: 137, signal: null }],
    ["import os; os.kill(os.getpid(), 9)", { exitCode: null, signal: "SIGKILL" }],
    ["import os; os.kill(os.getpid(), 11)", { exitCode: null, signal: "SIGSEGV" }],
    ["import os\nfor n in (9, 19, 15): os.kill(1, n)\nos._exit(3)", { exitCode: 3, signal: null }],
  ])("tells the truth of %j", async (code, exit) => {
    const context = makeContext();
    const ran = await run(makeBackend(context), context, code);
    expect(ran.exit).toMatchObject(exit);
    expect(ran.facts.lost).toBe(null);
  });

  it("stops twenty busy processes that ignore every signal they can", async () => {
    const context = makeContext();
    const sandbox = await makeBackend(context).boot(makeProfile());
    const code = `
import os, signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        while True: pass
print(os.readlink("/proc/self/ns/pid"), flush=True)
while True: pass
`;
    const running = await start(sandbox, makeRunDir(context), code);
    const namespace = (await running.printed("]")).trim();
    expect(countInside(namespace)).toBeGreaterThanOrEqual(21);
    const [first, second] = await Promise.all([sandbox.stop(), sandbox.stop()]);
    expect(countInside(namespace)).toBe(0);
    expect(second).toEqual(first);
    await sandbox.ended;
    await sandbox.dispose();
  });

  it("is over when its engine is killed by somebody else, and says so", async () => {
    const context = makeContext();
    const sandbox = await makeBackend(context).boot(makeProfile());
    const running = await start(
      sandbox,
      makeRunDir(context),
      'import os\nprint(os.readlink("/proc/self/ns/pid"), flush=True)\nimport time\ntime.sleep(600)',
    );
    const namespace = (await running.printed("]")).trim();
    process.kill(engineOf(namespace), "SIGKILL");
    await sandbox.ended;
    expect(await sandbox.stop()).toMatchObject({ lost: expect.stringMatching(/SIGKILL/) });
    expect(countInside(namespace)).toBe(0);
    await sandbox.dispose();
  });

  it("is removed unused, more than once", async () => {
    const context = makeContext();
    const backend = makeBackend(context);
    const sandbox = await backend.boot(makeProfile());
    await Promise.all([sandbox.dispose(), sandbox.dispose(), backend.close()]);
    await sandbox.ended;
    expect(readdirSync(context.slotsDir)).toEqual([]);
    await expect(backend.boot(makeProfile())).rejects.toThrow(/closed/);
  });

  it("may be booted and used side by side with others", async () => {
    const context = makeContext();
    const backend = makeBackend(context);
    const ends = await Promise.all([1, 2, 3, 4].map((n) => run(backend, context, `print(${n} * 2)`)));
    expect(ends.map(({ stdout }) => stdout)).toEqual(["2\n", "4\n", "6\n", "8\n"]);
  });

  it("works with roots and a runner below folders that only we can enter", async () => {
    const closed = join(tempDir(), "closed");
    mkdirSync(closed, { mode: 0o700 });
    const context = makeContext({}, closed);
    const ran = await run(makeBackend(context), context, WRITE_A_FILE);
    expect(ran.stdout).toBe("done\n");
    expect(existsSync(join(ran.dir, "out/a.txt"))).toBe(true);
  });
});

/** The engine is the parent of the namespace's first process. */
function engineOf(namespace: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const isInit = /^NSpid:.*\t1$/m.test(status) && readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
      if (isInit) return Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
    } catch {
      // It ended while it was looked at, or is another user's.
    }
  }
  throw new Error("the sandbox has no first process");
}

describe("limits", () => {
  it("are reported as they are enforced", async () => {
    const sandbox = await makeBackend().boot(makeProfile());
    const { limits, isolation, network } = sandbox.policy();
    const by = (name: "memory" | "processes" | "cpus") => limits[name].enforcedBy;
    if (countsMemory) expect(by("memory")).toMatch(/^cgroup-v/);
    else expect([by("memory"), by("cpus")]).toEqual(["rlimit", "none"]);
    expect(by("processes")).toMatch(countsProcesses ? /^cgroup-v/ : /^rlimit$/);
    expect([limits.openFiles.enforcedBy, limits.disk.enforcedBy]).toEqual(["rlimit", "polling"]);
    expect(network).toBe("none");
    expect(isolation).toMatchObject({ seccomp: true, namespaces: expect.arrayContaining(["user", "net", "pid"]) });
    expect(isolation.hostUid).not.toBe(0);
    await sandbox.dispose();
  });

  it.skipIf(!countsMemory)("have the kernel kill what takes too much memory, and count it", async () => {
    const context = makeContext();
    const code = "held = []\nwhile True: held.append(bytearray(8 * 1024 * 1024))";
    const ran = await run(makeBackend(context), context, code, makeProfile({ memory: 96 * MiB }));
    expect(ran.facts.oomKills).toBeGreaterThan(0);
    expect(ran.sandbox.policy().limits.memory.hits).toBe(ran.facts.oomKills);
    expect(ran.exit === null || ran.exit.signal === "SIGKILL").toBe(true);
  });

  it.skipIf(countsMemory)("leave memory to an rlimit where nothing counts it", async () => {
    const context = makeContext();
    const code = "try:\n    bytearray(600 * 1024 * 1024)\nexcept MemoryError:\n    print('refused')";
    expect((await run(makeBackend(context), context, code)).stdout).toBe("refused\n");
  });

  it("refuse processes beyond their number", async () => {
    const context = makeContext();
    const code = `
import os, signal, time
made = 0
try:
    while made < 200:
        if os.fork() == 0: time.sleep(600)
        made += 1
except BlockingIOError: pass
print(made)
`;
    const ran = await run(makeBackend(context), context, code, makeProfile({ processes: 24 }));
    const made = Number(ran.stdout);
    expect(made).toBeGreaterThan(10);
    expect(made).toBeLessThan(24);
    if (countsProcesses) expect(ran.facts.processHits).toBeGreaterThan(0);
    else expect(ran.facts.processHits).toBe(null);
  });

  it("bound /tmp and /dev/shm", async () => {
    const context = makeContext();
    const code = `
import errno, json
ends = {}
for path in ("/tmp/big", "/dev/shm/big"):
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(64): file.write(bytes(1024 * 1024))
        ends[path] = None
    except OSError as error: ends[path] = errno.errorcode[error.errno]
    finally:
        import os; os.unlink(path)
print(json.dumps(ends))
`;
    const ran = await run(makeBackend(context), context, code, makeProfile({ memory: 80 * MiB }));
    expect(printedJson(ran)).toEqual({ "/tmp/big": "ENOSPC", "/dev/shm/big": "ENOSPC" });
  });

  it.skipIf(!countsMemory)("that are too small for Python itself are named when it cannot start", async () => {
    const boot = makeBackend().boot(makeProfile({ memory: 2 * MiB }));
    await expect(boot).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(/memory limit/),
    });
  });
});
