// What the machine may do to us: a full disk, a read-only one, no descriptors, folders gone, an engine that does not start, a clock
// that jumps. Each has a true ending, loses nothing, and is over as soon as its cause is.
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type RunRequest, type RunResult, type Runtime } from "../../src/index.js";
import { removeTree } from "../../src/safefs/remove.js";
import { tempDir } from "../support/temp.js";
import { tracesOf } from "../support/traces.js";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("Not root: full and read-only disks are skipped, as nothing can be mounted.");
const KiB = 1024;
const WORKER = fileURLToPath(new URL("fixtures/few-descriptors-worker.mjs", import.meta.url));
const START = { backend: "bubblewrap", warm: 0 };
const OURS = ["internal", "sandbox_unavailable", "config_invalid"];

/** A few big files, each all of one version; each put in its place in one step, as a careful program does. */
const codeOf = (version: number, fileKiB = 256) => `
import os
for i in range(4):
    path = os.path.join(os.environ["OUTPUT_DIR"], f"f{i}")
    with open(path + ".new", "w") as f:
        f.write("${version}\\n" * (${fileKiB * KiB} // len("${version}\\n")))
for i in range(4):
    path = os.path.join(os.environ["OUTPUT_DIR"], f"f{i}")
    os.replace(path + ".new", path)
`;

function versionIn(workspaceRoot: string): number {
  const out = join(workspaceRoot, "u/out");
  const versions = readdirSync(out).map((name) => [
    ...new Set(readFileSync(join(out, name), "utf8").trim().split("\n")),
  ]);
  expect(new Set(versions.flat()).size, JSON.stringify(versions)).toBe(1);
  expect(versions).toHaveLength(4);
  return Number(versions[0]?.[0]);
}

function rootsOf(roots: string) {
  return { workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox") };
}

const write = (version: number): RunRequest => ({ userId: "u", code: codeOf(version), sync: "on-success" });
const said = ({ status, error, diagnostics }: RunResult): string =>
  `${status} ${JSON.stringify(error)} ${diagnostics.infraLog.slice(-500)}`;

function expectOurs(result: RunResult, message: RegExp): void {
  expect(result, said(result)).toMatchObject({ ok: false, workspace: { synced: false } });
  expect(OURS, said(result)).toContain(result.error?.code);
  expect(`${result.error?.message} ${result.error?.hint}`).toMatch(message);
  expect(result.error?.hint, said(result)).toBeDefined();
}

async function expectWorks(runtime: Runtime, roots: string, version: number): Promise<void> {
  const result = await runtime.run(write(version));
  expect(result, said(result)).toMatchObject({ ok: true, workspace: { synced: true } });
  expect(versionIn(join(roots, "workspace"))).toBe(version);
}

/** Until the program has said something, then `act`, then the end. */
async function disturbed(runtime: Runtime, request: RunRequest, act: () => void): Promise<RunResult> {
  for await (const event of runtime.stream(request)) {
    if (event.type === "output") act();
    if (event.type === "run.finished") return event.result;
  }
  throw new Error("no end");
}

const lingering = (version: number) => `print("here", flush=True)\nimport time; time.sleep(0.5)\n${codeOf(version)}`;

describe.runIf(isRoot)("a disk", () => {
  function mounted(size: string): string {
    const dir = tempDir();
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755`, "iso-test", dir]);
    onTestFinished(() => void execFileSync("umount", ["-l", dir]));
    return dir;
  }

  it("that is full, at each amount of space left: a true ending, the workspace whole, and all is well once there is space", async () => {
    const roots = mounted("16m");
    // Twenty versions would fill so small a disk by themselves.
    const config = { versions: { keep: 2 } };
    await using runtime = await createRuntime({ ...START, ...rootsOf(roots), config });
    let version = 1;
    await expectWorks(runtime, roots, version);
    const endings = new Map<string, number>();
    const filler = join(roots, "filler");
    for (const leftKiB of [
      0, 4, 64, 600, 900, 1100, 1300, 1500, 1650, 1800, 1950, 2100, 2250, 2400, 2650, 3000, 3600, 4200, 5000, 6500,
    ]) {
      fillUp(roots, filler, leftKiB * KiB);
      version += 1;
      const before = versionIn(join(roots, "workspace"));
      // More than was there, so that each of copying, running and keeping has an amount at which it alone fails.
      const result = await runtime.run({ ...write(version), code: codeOf(version, 640) });
      const now = versionIn(join(roots, "workspace"));
      expect(now, said(result)).toBe(result.workspace.synced ? version : before);
      expect(result.ok, said(result)).toBe(now === version);
      if (!result.ok) {
        // What the program itself was refused is the program's own.
        expect([...OURS, "program_error"], said(result)).toContain(result.error?.code);
        expect(`${result.error?.message} ${result.error?.hint}`).toMatch(/ENOSPC|No space left|full/);
      }
      const phase = result.error?.message.replace(/: ENOSPC.*|\[Errno.*/s, "") ?? "succeeded";
      endings.set(phase, (endings.get(phase) ?? 0) + 1);
      rmSync(filler);
      version += 1;
      await expectWorks(runtime, roots, version);
    }
    console.log([...endings].map(([phase, times]) => `${times} × ${phase}`).join("\n"));
    expect(endings.size).toBeGreaterThanOrEqual(4);
    await runtime.close();
    expect(await tracesOf(roots)).toEqual([]);
  });

  it("that is full under the sandbox root alone, or under the workspace root alone", async () => {
    for (const full of ["sandbox", "workspace"]) {
      const small = mounted("6m");
      const roots = tempDir();
      const places = { ...rootsOf(roots), [`${full}Root`]: join(small, full) };
      await using runtime = await createRuntime({ ...START, ...places });
      expect(await runtime.run(write(1))).toMatchObject({ ok: true });
      fillUp(small, join(small, "filler"), 0);
      const result = await runtime.run(write(2));
      expectOurs(result, /ENOSPC|full/);
      expect(versionIn(places.workspaceRoot)).toBe(1);
      rmSync(join(small, "filler"));
      expect(await runtime.run(write(3))).toMatchObject({ ok: true });
      expect(versionIn(places.workspaceRoot)).toBe(3);
    }
  });

  it("that is full at the start", async () => {
    const roots = mounted("4m");
    fillUp(roots, join(roots, "filler"), 0);
    await using runtime = await createRuntime({ ...START, ...rootsOf(roots) });
    expectOurs(await runtime.run(write(1)), /ENOSPC|full/);
    rmSync(join(roots, "filler"));
    await expectWorks(runtime, roots, 2);
  });

  it.each(["workspace", "sandbox"])(
    "that becomes read-only in the middle of a run, under the %s root",
    async (which) => {
      const roots = tempDir();
      await using runtime = await createRuntime({ ...START, ...rootsOf(roots) });
      await expectWorks(runtime, roots, 1);
      const undo = () => execFileSync("umount", [join(roots, which)]);
      const result = await disturbed(runtime, { ...write(2), code: lingering(2) }, () => readOnly(join(roots, which)));
      try {
        if (which === "workspace") expectOurs(result, /EROFS|read-only/);
        expect(versionIn(join(roots, "workspace")), said(result)).toBe(result.workspace.synced ? 2 : 1);
        expectOurs(await runtime.run(write(3)), /EROFS|read-only/);
      } finally {
        undo();
      }
      // The ticket that could not be removed holds nobody up: neither us nor another process.
      await expectWorks(runtime, roots, 4);
      await using other = await createRuntime({ ...START, ...rootsOf(roots) });
      await expectWorks(other, roots, 5);
      await other.close();
      await runtime.close();
      await (await createRuntime({ ...START, ...rootsOf(roots) }))
        .run(write(6))
        .then((last) => expect(last.ok).toBe(true));
    },
  );

  it("that is read-only at the start", async () => {
    const roots = tempDir();
    readOnly(roots);
    await using runtime = await createRuntime({ ...START, ...rootsOf(roots) });
    try {
      expectOurs(await runtime.run(write(1)), /EROFS|read-only/);
    } finally {
      execFileSync("umount", [roots]);
    }
    await expectWorks(runtime, roots, 2);
  });

  /** As the kernel does after an error of the disk: whoever opens or renames there is refused, open files stay open. */
  function readOnly(dir: string): void {
    execFileSync("mount", ["--bind", dir, dir]);
    execFileSync("mount", ["-o", "remount,ro,bind", dir]);
  }

  function fillUp(place: string, file: string, leaveBytes: number): void {
    const free = Number(execFileSync("df", ["--output=avail", "-B1", place], { encoding: "utf8" }).split("\n")[1]);
    if (free > leaveBytes) writeFileSync(file, Buffer.alloc(free - leaveBytes));
    else writeFileSync(file, "");
  }
});

it("too few descriptors: a true ending, and the same process runs again when there are some", async () => {
  const roots = tempDir();
  const leave = [0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 24, 30];
  const child = spawn(
    "sh",
    [
      "-c",
      `ulimit -n 400; exec "$0" "$@"`,
      process.execPath,
      WORKER,
      JSON.stringify({ roots, backend: "bubblewrap", leave }),
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const texts = { out: "", err: "" };
  child.stdout.on("data", (text) => {
    texts.out += text;
  });
  child.stderr.on("data", (text) => {
    texts.err += text;
  });
  const code = await new Promise((done) => child.once("close", (status, signal) => done(signal ?? status)));
  expect(code, `${texts.out}\n${texts.err}`).toBe(0);
  const pairs = texts.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(pairs.map(({ left }) => left)).toEqual(leave);
  for (const { left, scarce, after } of pairs) {
    expect(after, JSON.stringify({ left, scarce })).toMatchObject({ status: "succeeded", synced: true });
    if (scarce.status === "succeeded") continue;
    expect(OURS, JSON.stringify(scarce)).toContain(scarce.code);
    expect(`${scarce.message} ${scarce.hint}`, JSON.stringify({ left, scarce })).toMatch(
      /EMFILE|too many open files|descriptor/i,
    );
    expect(scarce.hint, JSON.stringify(scarce)).not.toBe(null);
  }
  expect(pairs[0]?.scarce.status).toBe("failed");
  expect(await tracesOf(roots)).toEqual([]);
});

describe("folders that go away under way", () => {
  it("the sandbox root: ours is said, nothing is lost, and the next start makes it again", async () => {
    const roots = tempDir();
    const runtime = await createRuntime({ ...START, ...rootsOf(roots) });
    await expectWorks(runtime, roots, 1);
    const away = join(roots, "away");
    const request = { ...write(2), code: lingering(2) };
    const result = await disturbed(runtime, request, () => renameSync(join(roots, "sandbox"), away));
    expectOurs(result, /ENOENT|no such|missing|gone|removed/i);
    expect(versionIn(join(roots, "workspace"))).toBe(1);
    await runtime.close();
    await using next = await createRuntime({ ...START, ...rootsOf(roots) });
    await expectWorks(next, roots, 3);
  });

  it("the workspace: ours is said, and the next run begins with an empty one", async () => {
    const roots = tempDir();
    await using runtime = await createRuntime({ ...START, ...rootsOf(roots) });
    await expectWorks(runtime, roots, 1);
    const request = { ...write(2), code: lingering(2) };
    const result = await disturbed(runtime, request, () => rmSync(join(roots, "workspace/u"), { recursive: true }));
    expectOurs(result, /does not exist/);
    await expectWorks(runtime, roots, 3);
  });
});

describe("a bubblewrap that does not start", () => {
  // Not below /tmp, which the launcher covers.
  const roots = mkdtempSync("/var/tmp/iso-suite-");
  chmodSync(roots, 0o755);
  afterAll(() => removeTree(roots));
  const path = process.env.PATH ?? "";

  const asks = 'if [ "$1" = --version ]; then echo "bubblewrap 0.8.0"; exit 0; fi\n';
  const status = 'for a; do test "$last" = --json-status-fd && fd=$a; last=$a; done\n';

  it.concurrent.each<[string, string, RegExp]>([
    ["exits with 1", `${asks}echo "no namespaces today" >&2; exit 1`, /no namespaces today/],
    ["is killed", `${asks}kill -9 $$`, /bubblewrap made no sandbox|killed/],
    ["tells no version", "exit 1", /does not tell its version/],
    [
      "says garbage where its child's pid is due",
      `${asks}${status}eval "head -c 200000 /dev/urandom >&$fd"; exit 0`,
      /bubblewrap made no sandbox/,
    ],
    [
      "says garbage and hangs",
      `${asks}${status}eval "echo '{]' >&$fd"; sleep 1000`,
      /bubblewrap made no sandbox, or not within/,
    ],
    ["hangs when asked for its version", "sleep 1000", /does not tell its version/],
  ])(
    "as it %s: said in bounded time, nothing left, and the next boot works",
    async (name, script, message) => {
      const place = join(roots, name.replaceAll(/[^a-z]/g, "-"));
      const bin = join(place, "bin");
      mkdirSync(bin, { recursive: true });
      chmodSync(roots, 0o755);
      writeFileSync(join(bin, "bwrap"), `#!/bin/sh\n${script}\n`);
      chmodSync(join(bin, "bwrap"), 0o755);
      // Read at the call; the other tests of this group run meanwhile.
      process.env.PATH = `${bin}:${path}`;
      const creating = createRuntime({ ...START, ...rootsOf(place) });
      process.env.PATH = path;
      const runtime = await creating;
      const result = await runtime.run({ userId: "u", code: "" });
      expectOurs(result, message);
      expect(result.error?.code).toBe("sandbox_unavailable");
      rmSync(join(bin, "bwrap"));
      await runtime.close();
      await using next = await createRuntime({ ...START, ...rootsOf(place) });
      expect(await next.run({ userId: "u", code: "" })).toMatchObject({ ok: true });
      await next.close();
      expect(await tracesOf(place)).toEqual([]);
    },
    120_000,
  );

  it.concurrent("and a Python that hangs at start", async () => {
    const place = join(roots, "python");
    mkdirSync(place);
    writeFileSync(join(place, "python3"), "#!/bin/sh\nsleep 1000\n");
    chmodSync(join(place, "python3"), 0o755);
    await using runtime = await createRuntime({ ...START, ...rootsOf(place), python: join(place, "python3") });
    expectOurs(await runtime.run({ userId: "u", code: "" }), /python/i);
    await runtime.close();
    expect(await tracesOf(place)).toEqual([]);
  }, 120_000);
});

it("a wall clock that jumps by a day, either way, at every look: deadlines and waits are as they were", async () => {
  const roots = tempDir();
  const RealDate = Date;
  const jump = () => RealDate.now() + Math.round((Math.random() - 0.5) * 2 * 86_400_000);
  class JumpingDate extends RealDate {
    constructor(...args: [] | [number | string]) {
      if (args.length === 0) super(jump());
      else super(args[0]);
    }

    static override now(): number {
      return jump();
    }
  }
  onTestFinished(() => {
    globalThis.Date = RealDate;
  });
  globalThis.Date = JumpingDate as DateConstructor;
  await using runtime = await createRuntime({ ...START, ...rootsOf(roots) });
  const [late, ...quick] = await Promise.all([
    runtime.run({ userId: "slow", code: "import time; time.sleep(60)", timeoutMs: 1500 }),
    ...[1, 2, 3].map((version) => runtime.run(write(version))),
  ]);
  expect(late).toMatchObject({ status: "timed_out", sandbox: { policy: { limits: { timeout: { hits: 1 } } } } });
  expect(late?.timings?.runMs).toBeGreaterThanOrEqual(1500);
  for (const result of quick) expect(result, said(result)).toMatchObject({ ok: true, workspace: { synced: true } });
  expect(versionIn(join(roots, "workspace"))).toBe(3);
});
