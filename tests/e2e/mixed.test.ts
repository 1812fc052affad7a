// Many runs of every kind at once: scenarios, bombs, floods, cancels. Every ending is right, nothing is left, and the host process does not grow.
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunRequest, type RunResult, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { leftOver } from "../support/processes.js";
import { SCENARIO_ROWS } from "../support/scenarios.js";
import { count } from "../support/soak.js";
import { suiteDir } from "../support/temp.js";

const AT_ONCE = 8;
const MiB = 1024 * 1024;
/** Small limits, so that every bomb meets its own within a second or two, and eight of them fit into any machine. */
const PROFILE = { memory: 96 * MiB, processes: 24, disk: 8 * MiB, files: 500, output: 4 * MiB, cpus: 2 };

interface Kind {
  name: string;
  request: Omit<RunRequest, "userId">;
  status: RunResult["status"];
  code: string | null;
  limit?: string;
  cancelAfterMs?: number;
}

// Without a collection first, the heap tells of what V8 put off as well.
setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const OUT = 'import os\nout = os.environ["OUTPUT_DIR"]\n';
const BOMBS: Kind[] = [
  {
    name: "memory",
    request: { code: "b = []\nwhile True: b.append(bytearray(b'x' * 4_000_000))" },
    ...{ status: "failed", code: "out_of_memory" },
  },
  {
    name: "forks, each refusal handled",
    request: {
      code: "import os, time\nrefused = 0\nfor _ in range(200):\n    try:\n        if os.fork() == 0: time.sleep(60)\n    except BlockingIOError: refused += 1\nassert refused > 100, refused",
    },
    ...{ status: "succeeded", code: null },
  },
  {
    name: "threads, the refusal not handled",
    request: {
      code: "import threading, time\nfor _ in range(200): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    },
    ...{ status: "failed", code: "program_error" },
  },
  {
    name: "disk",
    request: { code: `${OUT}i = 0\nwhile True:\n    open(f"{out}/{i}", "wb").write(b"x" * 1_000_000); i += 1` },
    ...{ status: "failed", code: "limit_exceeded", limit: "disk" },
  },
  {
    name: "files",
    request: { code: `${OUT}i = 0\nwhile True:\n    open(f"{out}/{i}", "wb").close(); i += 1` },
    ...{ status: "failed", code: "limit_exceeded", limit: "files" },
  },
  {
    name: "output",
    request: { code: 'import os\nwhile True: os.write(1, b"flood" * 10_000)' },
    ...{ status: "failed", code: "limit_exceeded", limit: "output" },
  },
  {
    name: "a spin beyond its time",
    request: { code: "while True: pass", timeoutMs: 500 },
    ...{ status: "timed_out", code: "timeout" },
  },
  {
    name: "a signal of its own",
    request: { code: "import os; os.kill(os.getpid(), 11)" },
    ...{ status: "failed", code: "program_signal" },
  },
  {
    name: "a cancelled sleeper",
    request: { code: 'print("asleep")\nimport time\ntime.sleep(60)' },
    ...{ status: "cancelled", code: "cancelled", cancelAfterMs: 300 },
  },
  {
    name: "a hundred tool calls",
    request: {
      code: 'import asyncio\nawait asyncio.gather(*[local_tools.write_note(text=str(n)) for n in range(100)])\nimport os\nassert len(os.listdir(os.path.join(os.environ["OUTPUT_DIR"], "notes"))) >= 100',
      workspace: null,
    },
    ...{ status: "succeeded", code: null },
  },
];

const SCENARIOS = SCENARIO_ROWS.map(
  ({ id, status, code }): Kind => ({
    name: `scenario ${id}`,
    request: { scenario: id, timeoutMs: 1500 },
    status,
    code,
  }),
);
const KINDS = [...BOMBS, ...SCENARIOS];

interface Held {
  rssMiB: number;
  heapMiB: number;
  descriptors: number;
}

/** What this process holds open, in words. */
function descriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      // That of the listing itself.
      return [];
    }
  });
}

describe.each(realBackends())("mixed runs on %s", (backend) => {
  const roots = suiteDir();
  const runs = backend === "docker" ? count(24, 600) : count(69, 3000);
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({
      ...{ backend, workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox"), warm: 2 },
      config: { profiles: { default: PROFILE } },
    });
  });
  afterAll(() => runtime?.close());

  function held(): Held {
    collectGarbage();
    const { rss, heapUsed } = process.memoryUsage();
    return { rssMiB: Math.round(rss / MiB), heapMiB: Math.round(heapUsed / MiB), descriptors: descriptors().length };
  }

  async function one(number: number): Promise<string | null> {
    const kind = KINDS[number % KINDS.length];
    if (!kind) return "no such kind";
    const signal = kind.cancelAfterMs === undefined ? undefined : AbortSignal.timeout(kind.cancelAfterMs);
    const userId = `user${number % AT_ONCE}`;
    const result = await runtime.run({ timeoutMs: 30_000, userId, ...kind.request, ...(signal && { signal }) });
    const code = result.error?.code ?? null;
    const right =
      result.status === kind.status && code === kind.code && (!kind.limit || result.error?.limit === kind.limit);
    return right
      ? null
      : `${number} ${kind.name}: ${result.status} ${code} ${JSON.stringify(result.error)?.slice(0, 600)}`;
  }

  it(`${runs} of them, ${AT_ONCE} at a time, end as they must and leave nothing`, {
    timeout: 60_000 + runs * 3000,
  }, async () => {
    const wrong: string[] = [];
    let next = 0;
    const seen: Held[] = [];
    const worker = async () => {
      while (next < runs) {
        const number = next++;
        if (number % Math.ceil(runs / 10) === 0) seen.push(held());
        const fault = await one(number);
        if (fault !== null) wrong.push(fault);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect(wrong).toEqual([]);
    await runtime.close();
    const end = held();
    const told = [...seen, end].map(
      ({ rssMiB, heapMiB, descriptors }) => `${rssMiB} MiB (heap ${heapMiB}), ${descriptors} fds`,
    );
    console.log(`${backend}, ${runs} runs, at each tenth and after close: ${told.join("; ")}`);
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    // Modules loaded meanwhile may hold a few descriptors; the first tenth fills caches. What leaks goes on from there.
    const [start, settled] = seen;
    expect(end.descriptors, descriptors().join("\n")).toBeLessThanOrEqual((start?.descriptors ?? 0) + 4);
    if (runs >= 500) expect(end.heapMiB).toBeLessThan((settled?.heapMiB ?? 0) + 16);
  });
});
