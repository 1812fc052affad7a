// Endings tell the truth, on every real backend: each row of behaviour §5 by a small real program.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunRequest, type RunResult, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { leftOver } from "../support/processes.js";
import { suiteDir } from "../support/temp.js";

const OUT = 'import os\nout = os.environ["OUTPUT_DIR"]\n';
type Want = Partial<Pick<RunResult, "status" | "exitCode" | "signal">> & { code: string | null };
const ROWS: [string, Omit<RunRequest, "userId">, Want][] = [
  ["exit code 3", { code: "import sys; sys.exit(3)" }, { code: "program_exit", exitCode: 3 }],
  ["os._exit(4)", { code: "import os; os._exit(4)" }, { code: "program_exit", exitCode: 4 }],
  [
    "exit code 137, which is no kill",
    { code: "raise SystemExit(137)" },
    { code: "program_exit", exitCode: 137, signal: null },
  ],
  ["exit code 124, which is no timeout", { code: "raise SystemExit(124)" }, { code: "program_exit", exitCode: 124 }],
  ["sys.exit with words", { code: 'import sys; sys.exit("no")' }, { code: "program_exit", exitCode: 1 }],
  ["an exception", { code: "1/0" }, { code: "program_error", exitCode: 1 }],
  ["a syntax error", { code: "def" }, { code: "program_error" }],
  [
    "a segmentation fault",
    { code: "import ctypes; ctypes.string_at(0)" },
    { code: "program_signal", signal: "SIGSEGV" },
  ],
  ["SIGKILL by itself", { code: "import os; os.kill(os.getpid(), 9)" }, { code: "program_signal", signal: "SIGKILL" }],
  ["SIGTERM by itself", { code: "import os; os.kill(os.getpid(), 15)" }, { code: "program_signal", signal: "SIGTERM" }],
  ["SIGABRT", { code: "import os; os.abort()" }, { code: "program_signal", signal: "SIGABRT" }],
  [
    "exit 0 without the file",
    { code: "", contract: [{ path: "a.txt", description: "a" }] },
    { code: "contract_unmet", exitCode: 0 },
  ],
  [
    "the file and then exit 3",
    {
      code: `${OUT}open(out + "/a.txt", "w").write("x")\nraise SystemExit(3)`,
      contract: [{ path: "a.txt", description: "a" }],
    },
    { code: "program_exit", exitCode: 3 },
  ],
  [
    "a C loop beyond its time",
    { code: 'import re; re.match("(a+)+$", "a" * 60 + "b")', timeoutMs: 800 },
    { status: "timed_out", code: "timeout" },
  ],
  [
    "signals ignored beyond its time",
    {
      code: "import signal\nfor n in range(1, 32):\n    if n not in (9, 19): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
      timeoutMs: 800,
    },
    { status: "timed_out", code: "timeout", exitCode: null, signal: null },
  ],
  [
    "stopped by itself",
    { code: "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeoutMs: 800 },
    { status: "timed_out", code: "timeout" },
  ],
  [
    "eight busy children beyond its time",
    {
      code: "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        while True: pass\nwhile True: pass",
      timeoutMs: 800,
    },
    { status: "timed_out", code: "timeout" },
  ],
  [
    "memory beyond the limit",
    { code: "b = []\nwhile True: b.append(bytearray(b'x' * 10_000_000))" },
    { code: "out_of_memory" },
  ],
  [
    "one file beyond the limit",
    { code: `${OUT}f = open(out + "/big", "wb")\nfor _ in range(200): f.write(b"x" * 1_000_000); f.flush()` },
    { code: "program_error" },
  ],
  [
    "a killer of its supervisor",
    { code: "import os\ntry: os.kill(1, 9)\nexcept OSError: pass\nos.kill(os.getppid(), 9)\nprint('alive')" },
    { status: "succeeded", code: null },
  ],
  [
    "a daemon thread that computes for ever",
    {
      code: "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()\nprint('x' * 9000, end='')",
      timeoutMs: 20_000,
    },
    { status: "succeeded", code: null },
  ],
  [
    "an exception of a child, and exit code 1 of its own",
    { code: "import os, sys\nif os.fork() == 0: raise ValueError('of the child')\nos.wait()\nsys.exit(1)" },
    { code: "program_exit", exitCode: 1 },
  ],
  [
    "all descriptors closed, then an exception",
    { code: "import os\nos.closerange(3, 1024)\n1 / 0" },
    { code: "program_error", exitCode: 1 },
  ],
  ["stdin is empty", { code: "import sys; assert sys.stdin.read() == ''" }, { status: "succeeded", code: null }],
  ["stdin as given", { code: "assert input() == 'hi'", stdin: "hi\n" }, { status: "succeeded", code: null }],
  [
    "arguments",
    { code: "import sys; assert sys.argv[1:] == ['a', 'b c']", args: ["a", "b c"] },
    { status: "succeeded", code: null },
  ],
  ["top-level await", { code: "import asyncio\nawait asyncio.sleep(0)" }, { status: "succeeded", code: null }],
  [
    "asyncio.run",
    { code: "import asyncio\nasync def f(): return 1\nassert asyncio.run(f()) == 1" },
    { status: "succeeded", code: null },
  ],
];

describe.each(realBackends())("endings on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    const config = { profiles: { default: { memory: "128MiB" }, docker: { backend: "docker", memory: "128MiB" } } };
    runtime = await createRuntime({
      ...{ backend, workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox"), config, warm: 1 },
    });
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });

  it.each(ROWS)("%s", async (_name, request, { code, ...want }) => {
    const result = await runtime.run({ userId: "e", ...request });
    expect(
      { code: result.error?.code ?? null, ...result },
      JSON.stringify(result, null, 1).slice(0, 3000),
    ).toMatchObject({
      code,
      ...(code !== null && { ok: false }),
      ...want,
    });
  });

  it("a background child neither delays the end nor survives it", async () => {
    const code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nprint('done')";
    const result = await runtime.run({ userId: "bg", code, timeoutMs: 20_000 });
    expect(result).toMatchObject({ status: "succeeded", output: { stdout: { text: "done\n" } } });
    expect(result.timings?.runMs).toBeLessThan(10_000);
  });

  it("a cancelled run keeps what it wrote", async () => {
    const cancel = new AbortController();
    const code = `${OUT}open(out + "/kept.txt", "w").write("x")\nprint("ready")\nimport time; time.sleep(600)`;
    for await (const event of runtime.stream({ userId: "cancel", code, signal: cancel.signal })) {
      if (event.type === "output") cancel.abort();
      if (event.type === "run.finished")
        expect(event.result).toMatchObject({ status: "cancelled", exitCode: null, signal: null });
    }
    expect(readFileSync(join(roots, "workspace/cancel/out/kept.txt"), "utf8")).toBe("x");
  });

  it("a program that awaits when its time is over shows the awaiting lines", async () => {
    const code = "import asyncio\nasync def fetch():\n    await asyncio.sleep(600)\nawait fetch()";
    const { status, error } = await runtime.run({ userId: "await", code, timeoutMs: 800 });
    expect(status).toBe("timed_out");
    expect(error?.exception?.traceback).toMatch(
      /^Traceback .*\n.*line 4, in <module>\n {4}await fetch\(\)\n.*line 3, in fetch\n {4}await asyncio\.sleep\(600\)/,
    );
  });

  it("a program that ended before anybody looked has its own ending, not a late stop's", async () => {
    const cancel = new AbortController();
    const code = "import os, time\nprint('ready')\ntime.sleep(0.2)\nos._exit(3)";
    const request = { userId: "late", code, timeoutMs: 1_000, signal: cancel.signal };
    for await (const event of runtime.stream(request)) {
      if (event.type === "output") {
        const until = performance.now() + 1_500;
        while (performance.now() < until);
        cancel.abort();
      }
      if (event.type === "run.finished")
        expect(event.result).toMatchObject({ status: "failed", exitCode: 3, error: { code: "program_exit" } });
    }
  });

  it("forged frames on every descriptor change nothing", async () => {
    const code = [
      "import os, json, struct",
      'body = json.dumps({"exitCode": 0, "signal": None, "usage": {"cpuMs": 0, "maxRssBytes": 0, "processes": 0}, "kernel": {"oomKills": 0, "processHits": 0}}).encode()',
      'frame = struct.pack(">I", len(body)) + b"X" + body',
      "for fd in range(0, 64):",
      "    try: os.write(fd, frame)",
      "    except OSError: pass",
      "os._exit(7)",
    ].join("\n");
    const result = await runtime.run({ userId: "forge", code });
    expect(result).toMatchObject({ status: "failed", exitCode: 7, error: { code: "program_exit" } });
  });

  it("a flood of output is bounded in the document, and its tail kept", async () => {
    const code = "import os\nfor _ in range(200): os.write(1, b'x' * 1_000_000)\nprint('\\nthe end')";
    const result = await runtime.run({ userId: "flood", code });
    expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    expect(result.output.stdout.bytes).toBe(200_000_000 + 9);
    expect(result.output.stdout.truncated).toBe(true);
    expect(result.output.stdout.text).toContain("the end");
    expect(JSON.stringify(result).length).toBeLessThan(5_000_000);
  });

  it.each([
    ["files", { files: 50 }, "for i in range(60): open(f'{out}/{i}', 'w').close()"],
    ["files", { files: 50 }, "for i in range(3000): open(f'{out}/{i}', 'w').close()"],
    ["disk", { disk: "1MiB" }, "open(out + '/big', 'wb').write(b'x' * 2_000_000)"],
    ["output", { output: 100_000 }, "while True: print('x' * 1000)"],
  ])("%s beyond the limit ends the run by that name, and nothing of it is kept", async (limit, config, body) => {
    const profiles = { tight: { ...config, ...(backend === "docker" && { backend }) } };
    await using tight = await createRuntime({
      ...{
        backend,
        workspaceRoot: join(roots, "workspace"),
        sandboxRoot: join(roots, "sandbox"),
        config: { profiles },
        warm: 0,
      },
    });
    const result = await tight.run({ userId: "tight", profile: "tight", code: `${OUT}${body}` });
    expect(result, JSON.stringify(result.error)).toMatchObject({
      status: "failed",
      error: { code: "limit_exceeded", limit },
    });
    expect(result.sandbox?.policy.limits[limit as "files"].hits).toBe(1);
    expect(result.workspace.synced).toBe(limit === "output");
  });

  it("a program with next to no processor time is still ended by its supervisor", async () => {
    await using slow = await createRuntime({
      ...{ backend, workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox") },
      ...{ config: { profiles: { slow: { cpus: 0.05, ...(backend === "docker" && { backend }) } } }, warm: 0 },
    });
    const code = "import os\nfor _ in range(20):\n    if os.fork() == 0: break\nwhile True: pass";
    const result = await slow.run({ userId: "slow", profile: "slow", code, timeoutMs: 1500 });
    expect(result.status).toBe("timed_out");
    expect(result.error?.exception?.traceback).toContain("main.py");
    expect(result.usage?.cpuMs).not.toBe(null);
  });

  it("files left in work/ are listed, never kept", async () => {
    const result = await runtime.run({ userId: "work", code: "open('lost.txt', 'w').write('x')" });
    expect(result.changes.leftInWork).toEqual([{ path: "lost.txt", bytes: 1 }]);
    expect(existsSync(join(roots, "workspace/work/out/lost.txt"))).toBe(false);
  });

  it("planted links and special files are never followed, and are reported by name", async () => {
    const code = `${OUT}os.symlink("/etc/passwd", out + "/leak")\nos.mkfifo(out + "/pipe")\nos.makedirs(out + "/logs")\nopen(out + "/logs/user.log", "w").write("forged")\nos.symlink("ok.txt", out + "/inside")\nopen(out + "/ok.txt", "w").write("ok")`;
    const result = await runtime.run({ userId: "links", code, contract: [{ path: "leak", description: "a link" }] });
    expect(result.contract[0]?.status).toBe("blocked");
    expect(result.changes.skipped.map((entry) => entry.path)).toEqual(
      expect.arrayContaining(["leak", "pipe", "logs/user.log"]),
    );
    expect(result.diagnostics.userLog).not.toContain("forged");
    const kept = join(roots, "workspace/links/out");
    expect(existsSync(join(kept, "leak"))).toBe(false);
    expect(readFileSync(join(kept, "inside"), "utf8")).toBe("ok");
  });
});
