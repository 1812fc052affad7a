// What only the zygote backend has to keep: forks of one interpreter that share nothing that matters, launchers of one tenant each,
// modules loaded ahead, and a launcher that dies.
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunResult, type Runtime } from "../../src/index.js";
import { leftOver } from "../support/processes.js";
import { count } from "../support/soak.js";
import { suiteDir } from "../support/temp.js";
import { enginesOf, tracesOf } from "../support/traces.js";

const WORKER = new URL("fixtures/run-worker.mjs", import.meta.url).pathname;
const SYSTEM_PYTHON = "/usr/bin/python3";

async function start(roots: string, config: object = {}, warm = 1): Promise<Runtime> {
  const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
  return await createRuntime({ backend: "zygote", workspaceRoot, sandboxRoot, warm, config });
}

async function printed(runtime: Runtime, userId: string, code: string, profile?: string): Promise<string> {
  const result = await runtime.run({ userId, code, workspace: null, ...(profile !== undefined && { profile }) });
  expect(result, JSON.stringify(result.error)).toMatchObject({ status: "succeeded" });
  return result.output.stdout.text.trim();
}

const rootIdOf = (roots: string): string => readFileSync(join(roots, "workspace/.iso-runtime/root-id"), "utf8").trim();

describe("forks of one interpreter", () => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await start(roots);
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await tracesOf(roots)).toEqual([]);
  });

  const runs = count(30, 1000);
  it(`draw nothing twice in ${runs} runs`, { timeout: 30_000 + runs * 500 }, async () => {
    const code = `
import os, random, secrets, tempfile, uuid
with tempfile.NamedTemporaryFile() as file: name = os.path.basename(file.name)
print(random.getrandbits(64), uuid.uuid4(), uuid.uuid1(), secrets.token_hex(8), name, os.urandom(8).hex())`;
    const drawn: string[] = [];
    const worker = async (user: number) => {
      for (let run = user; run < runs; run += 3) {
        drawn.push(...(await printed(runtime, `draws${user}`, code)).split(" "));
      }
    };
    await Promise.all([0, 1, 2].map(worker));
    expect(drawn.length).toBe(runs * 6);
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it("hash strings and lay out memory alike for one tenant, and otherwise for another", async () => {
    const code = 'print(hash("a string"), id(object))';
    const [first, again, other] = [
      await printed(runtime, "ada", code),
      await printed(runtime, "ada", code),
      await printed(runtime, "eve", code),
    ].map((line) => line.split(" "));
    expect(again).toEqual(first);
    expect(other?.[0]).not.toBe(first?.[0]);
    expect(other?.[1]).not.toBe(first?.[1]);
  });

  it("show nothing of the launcher: its arguments, its environment, its descriptors", async () => {
    const code = `
import os
for name in ("cmdline", "environ"):
    print(name, open(f"/proc/self/{name}", "rb").read().strip(b"\\0"))
print(sorted(os.environ.keys() & {"ISO_RUNTIME_SANDBOX"}), len(os.listdir("/proc/self/fd")) < 10)`;
    expect(await printed(runtime, "ada", code)).toBe("cmdline b''\nenviron b''\n[] True");
  });

  it("find nothing of the launcher by way of their frames or the collector", async () => {
    const code = `
import gc, sys
names, frame = set(), sys._getframe()
while frame is not None:
    for values in (frame.f_globals, frame.f_locals):
        names |= {type(value).__name__ for value in list(values.values())}
    frame = frame.f_back
names |= {type(each).__name__ for each in gc.get_objects()}
print(sorted(names & {"Launcher", "Order", "Plan", "Way"}))`;
    expect(await printed(runtime, "ada", code)).toBe("[]");
  });

  it("have no variable, module or file of a run before them", async () => {
    await printed(
      runtime,
      "ada",
      'import builtins, json, os\nbuiltins.left = json.left = 1\nos.environ["LEFT"] = "1"\nopen("/tmp/left", "w").close()\nopen("/dev/shm/left", "w").close()',
    );
    const code =
      'import builtins, json, os\nprint(hasattr(builtins, "left"), hasattr(json, "left"), "LEFT" in os.environ, os.listdir("/tmp"), os.listdir("/dev/shm"))';
    expect(await printed(runtime, "ada", code)).toBe("False False False [] []");
  });
});

describe("a launcher", () => {
  it("that is killed in the middle of a run ends the run truly, and the next run has another", async () => {
    const roots = suiteDirOf("killed");
    await using runtime = await start(roots, {}, 0);
    let result: RunResult | null = null;
    for await (const event of runtime.stream({ userId: "u", code: 'import time\nprint("up")\ntime.sleep(60)' })) {
      if (event.type === "output") for (const pid of enginesOf(rootIdOf(roots))) kill(Number(pid));
      if (event.type === "run.finished") result = event.result;
    }
    expect(result).toMatchObject({ status: "failed", error: { code: "sandbox_unavailable" } });
    expect(result?.error?.message).toMatch(/launcher was killed by SIGKILL/);
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    expect(await printed(runtime, "u", "print(1)")).toBe("1");
  });

  it("dies with the process that started it, and all of its sandboxes", async () => {
    const roots = suiteDirOf("orphaned");
    const request = {
      userId: "u",
      version: 1,
      code: 'import os, time\nos.fork()\nprint("up", flush=True)\ntime.sleep(60)',
    };
    const order = { roots, backend: "zygote", warm: 2, boots: true, runs: [request] };
    const host = spawn(process.execPath, [WORKER, JSON.stringify(order)], { stdio: ["ignore", "pipe", "inherit"] });
    await expect
      .poll(() => (existsRoot(roots) ? enginesOf(rootIdOf(roots)).length : 0), { timeout: 20_000 })
      .toBeGreaterThan(0);
    await expect.poll(() => runFolders(roots), { timeout: 20_000 }).toContain("u");
    const ended = new Promise((resolve) => host.once("exit", resolve));
    host.kill("SIGKILL");
    await ended;
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    await expect.poll(() => enginesOf(rootIdOf(roots)), { timeout: 5000 }).toEqual([]);
    const next = await start(roots, {}, 0);
    expect(await next.run({ userId: "u", code: "" })).toMatchObject({ ok: true });
    await next.close();
    expect(await tracesOf(roots)).toEqual([]);
  });
});

describe("modules loaded ahead", () => {
  const roots = suiteDir();
  const venv = join(roots, "venv");
  const config = {
    profiles: {
      ahead: { python: join(venv, "bin/python"), preimports: ["decimal", "quiet"] },
      plain: { python: join(venv, "bin/python") },
      threads: { python: join(venv, "bin/python"), preimports: ["decimal", "threads_at_import"] },
      missing: { python: join(venv, "bin/python"), preimports: ["no_such_module"] },
    },
  };
  let runtime: Runtime;
  beforeAll(async () => {
    const made = spawnSync(SYSTEM_PYTHON, ["-m", "venv", "--without-pip", venv], { encoding: "utf8" });
    expect(made.stderr).toBe("");
    const [lib = ""] = readdirSync(join(venv, "lib"));
    const packages = join(venv, "lib", lib, "site-packages");
    writeFileSync(join(packages, "quiet.py"), "import time\nLOADED = time.monotonic_ns()\n");
    const thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n";
    writeFileSync(join(packages, "threads_at_import.py"), thread);
    runtime = await start(roots, config, 0);
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await tracesOf(roots)).toEqual([]);
  });

  it("are there in each program, loaded once", async () => {
    const code = 'import sys\nprint("decimal" in sys.modules)\nimport quiet\nprint(quiet.LOADED)';
    const [first, again] = [await printed(runtime, "u", code, "ahead"), await printed(runtime, "u", code, "ahead")];
    expect(first).toMatch(/^True\n\d+$/);
    expect(again).toBe(first);
  });

  const hasNumpy = spawnSync(SYSTEM_PYTHON, ["-I", "-c", "import numpy"]).status === 0;
  if (!hasNumpy) console.warn(`numpy is not installed for ${SYSTEM_PYTHON}: nothing is tested of its generator`);
  it.runIf(hasNumpy)("draw their own numbers in each program: numpy's global generator", async () => {
    const numpy = { profiles: { numpy: { python: SYSTEM_PYTHON, preimports: ["numpy"] } } };
    await using ahead = await start(join(roots, "numpy"), numpy, 1);
    const code =
      'import sys\nwas = "numpy" in sys.modules\nimport numpy\nprint(was, numpy.random.random(), numpy.random.randint(2**62))';
    const lines = await Promise.all([1, 2, 3, 4, 5, 6].map((run) => printed(ahead, `u${run % 2}`, code, "numpy")));
    expect(lines.every((line) => line.startsWith("True "))).toBe(true);
    expect(new Set(lines.flatMap((line) => line.split(" ").slice(1))).size).toBe(lines.length * 2);
  });

  it("stay with the profile that asks for them, for a tenant who uses two", async () => {
    await using warm = await start(join(roots, "two"), config, 1);
    await warm.warm("ahead");
    await warm.warm("plain");
    const code = 'import sys\nprint("quiet" in sys.modules)';
    expect(await printed(warm, "u", code, "plain")).toBe("False");
    for (let run = 0; run < 3; run += 1) expect(await printed(warm, "u", code, "ahead")).toBe("True");
    expect(await printed(warm, "u", code, "plain")).toBe("False");
  });

  it.each([
    ["threads", /`import threads_at_import` leaves a thread running/],
    ["missing", /`import no_such_module` failed: ModuleNotFoundError/],
  ])("are refused by name: %s", async (profile, message) => {
    const result = await runtime.run({ userId: "u", code: "print(1)", profile });
    expect(result).toMatchObject({ status: "failed", error: { code: "sandbox_unavailable" } });
    expect(result.error?.message).toMatch(message);
    expect(result.error?.hint).toMatch(/preimports/);
  });
});

const dirs = suiteDir();
const suiteDirOf = (name: string): string => join(dirs, name);

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function existsRoot(roots: string): boolean {
  try {
    return rootIdOf(roots) !== "";
  } catch {
    return false;
  }
}

function runFolders(roots: string): string[] {
  try {
    return readdirSync(join(roots, "sandbox"));
  } catch {
    return [];
  }
}
