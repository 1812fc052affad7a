// The runtime over a far backend: what does not depend on isolation. Real runner, real workspaces, real tools.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { createRuntime, defineTool, type RunEvent, type RuntimeOptions } from "../../src/index.js";
import { DeferredSource } from "../../src/tools/source.js";
import { FakeRemoteBackend } from "../support/fake-remote.js";
import { tempDir } from "../support/temp.js";

async function farRuntime(options: RuntimeOptions = {}) {
  const roots = tempDir();
  const backend = new FakeRemoteBackend();
  const runtime = await createRuntime({
    ...{
      workspaceRoot: join(roots, "w"),
      sandboxRoot: join(roots, "s"),
      backends: [backend],
      backend: backend.name,
      warm: 0,
    },
    ...options,
  });
  onTestFinished(async () => {
    await runtime.close();
    expect(backend.live.size).toBe(0);
  });
  return { runtime, roots, backend };
}

const bump =
  'import os\np = os.environ["OUTPUT_DIR"] + "/n.txt"\nn = int(open(p).read()) if os.path.exists(p) else 0\nopen(p, "w").write(str(n + 1))\nprint(n + 1)';

describe("a run id of the caller's own", () => {
  it.each([undefined, null])(
    "is a user's own: others may have the same at the same time (workspace %s)",
    async (workspace) => {
      const { runtime } = await farRuntime();
      const code =
        'import os, time\nopen(os.environ["OUTPUT_DIR"] + "/" + os.environ["USER_ID"], "w")\ntime.sleep(0.3)';
      const users = ["a", "b", "c"];
      const results = await Promise.all(users.map((userId) => runtime.run({ userId, code, runId: "one", workspace })));
      for (const [index, userId] of users.entries()) {
        expect(results[index]).toMatchObject({ ok: true, userId, changes: { created: [{ path: userId }] } });
      }
    },
  );

  it("gives one run: at once, again, and from the next runtime", async () => {
    const { runtime, roots, backend } = await farRuntime();
    const request = { userId: "a", code: bump, runId: "order-7" };
    const [one, two] = await Promise.all([runtime.run(request), runtime.run(request)]);
    const three = await runtime.run(request);
    expect([one.output.stdout.text, two.output.stdout.text, three.output.stdout.text]).toEqual(["1\n", "1\n", "1\n"]);
    expect(three).toEqual(one);
    await runtime.close();
    const next = await createRuntime({
      ...{
        workspaceRoot: join(roots, "w"),
        sandboxRoot: join(roots, "s"),
        backends: [backend],
        backend: backend.name,
        warm: 0,
      },
    });
    expect(await next.run(request)).toEqual(one);
    expect((await next.run({ ...request, userId: "b" })).output.stdout.text).toBe("1\n");
    await next.close();
  });

  it("of a run whose process died is answered as interrupted, not run again", async () => {
    const { runtime, roots } = await farRuntime();
    const request = { userId: "a", code: bump, runId: "lost" };
    const first = await runtime.run(request);
    const { readdirSync } = await import("node:fs");
    const runs = join(roots, "w/.iso-runtime/runs");
    const folder = readdirSync(runs)[0] ?? "";
    const file = join(runs, folder, readdirSync(join(runs, folder))[0] ?? "");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(first);
    writeFileSync(file, JSON.stringify({ claimedBy: "an instance that is no more" }));
    const again = await runtime.run(request);
    expect(again).toMatchObject({ status: "failed", error: { code: "interrupted" } });
    expect(readFileSync(join(roots, "w/a/out/n.txt"), "utf8")).toBe("1");
  });
});

describe("take", () => {
  it("tells the id before anything ran, keeps the events for late readers, and its result for the next runtime", async () => {
    const { runtime, roots } = await farRuntime();
    const taken = runtime.take({ userId: "a", code: bump, runId: "mine" });
    expect(taken).toMatchObject({ runId: "mine", userId: "a", turnId: "mine", mode: "side-effects", scenario: null });
    expect(await runtime.resultOf("a", "mine")).toBeNull();
    const result = await taken.result;
    const events: RunEvent[] = [];
    for await (const event of taken.events.events()) events.push(event);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.at(0)).toMatchObject({ type: "run.accepted", userId: "a" });
    expect(events.at(-1)).toMatchObject({ type: "run.finished", result: { ok: true, runId: "mine" } });
    expect(await runtime.resultOf("a", "mine")).toEqual(result);
    expect(await runtime.resultOf("b", "mine")).toBeNull();
    await runtime.close();
    const { runtime: next } = await farRuntime({ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s") });
    expect(await next.resultOf("a", "mine")).toEqual(result);
  });

  it("of a run that died with its process is found as interrupted", async () => {
    const { runtime, roots } = await farRuntime();
    await runtime.take({ userId: "a", code: bump, runId: "lost" }).result;
    const runs = join(roots, "w/.iso-runtime/runs");
    const [file = ""] = readdirSync(runs, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".json"),
    );
    writeFileSync(join(runs, file), JSON.stringify({ claimedBy: "an instance that is no more" }));
    expect(await runtime.resultOf("a", "lost")).toMatchObject({ status: "failed", error: { code: "interrupted" } });
  });

  it("throws for a request that is none, and cancels by its signal", async () => {
    const { runtime } = await farRuntime();
    expect(() => runtime.take({ userId: "..", code: "" })).toThrow(
      expect.objectContaining({ code: "invalid_user_id" }),
    );
    expect(() => runtime.take({ userId: "a", code: "", profile: "x" })).toThrow("no profile");
    const cancel = new AbortController();
    const { result, events } = runtime.take({ userId: "a", code: "while True: pass", signal: cancel.signal });
    for await (const event of events.events()) if (event.type === "run.started") cancel.abort();
    expect(await result).toMatchObject({ status: "cancelled" });
  });
});

describe("require", () => {
  it("rejects what the backend cannot give, and leaves the user's files alone", async () => {
    const { runtime, roots } = await farRuntime();
    const result = await runtime.run({ userId: "a", code: bump, require: ["memory:kernel"] });
    expect(result).toMatchObject({ status: "rejected", error: { code: "requirement_unmet" } });
    expect(result.error?.message).toContain("memory:kernel");
    expect(existsSync(join(roots, "w/a"))).toBe(false);
    expect((await runtime.run({ userId: "a", code: bump, require: ["backend:fake-remote", "network:none"] })).ok).toBe(
      true,
    );
  });
});

describe("tools", () => {
  const slowly = { name: "ask", description: "Ask somebody.", params: z.object({ question: z.string() }) };

  it("answered later by a caller: the run waits, and its deadline stands still", async () => {
    const source = new DeferredSource("people", [slowly], (call) => {
      setTimeout(() => source.answer(call.id, { said: "yes" }), 1500);
    });
    const { runtime } = await farRuntime({ tools: { tools: [source] } });
    const code = 'import time\nanswer = await people.ask("may I?")\nprint(answer["said"])';
    const result = await runtime.run({ userId: "a", code, timeoutMs: 800 });
    expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    expect(result.output.stdout.text).toBe("yes\n");
    expect(result.sandbox?.policy.limits.timeout.value).toBe(800);
    expect(result.toolCalls).toMatchObject([{ toolId: "people.ask", ok: true, ret: { said: "yes" } }]);
  });

  it("given up by the program do not hold its deadline any longer", async () => {
    const source = new DeferredSource("people", [slowly]);
    const { runtime } = await farRuntime({ tools: { tools: [source] } });
    const code =
      'import asyncio\ntry: await asyncio.wait_for(people.ask("?"), 0.1)\nexcept asyncio.TimeoutError: pass\nwhile True: pass';
    const result = await runtime.run({ userId: "a", code, timeoutMs: 800 });
    expect(result.status, JSON.stringify(result.error)).toBe("timed_out");
    expect(result.toolCalls).toMatchObject([{ toolId: "people.ask", ok: false, error: { code: "tool_cancelled" } }]);
    expect(source.pending).toEqual([]);
  });

  it("in flight when a run is cancelled get their signal and their record", async () => {
    let aborted = false;
    const tool = defineTool({
      ...slowly,
      handler: (_params, { signal }) => new Promise(() => signal.addEventListener("abort", () => (aborted = true))),
    });
    const { runtime } = await farRuntime({ tools: { tools: [{ alias: "people", module: [tool] }] } });
    const cancel = new AbortController();
    const events: RunEvent[] = [];
    for await (const event of runtime.stream({ userId: "a", code: 'await people.ask("?")', signal: cancel.signal })) {
      events.push(event);
      if (event.type === "tool.called") cancel.abort();
    }
    const last = events.at(-1);
    expect(aborted).toBe(true);
    expect(last).toMatchObject({
      type: "run.finished",
      result: { status: "cancelled", toolCalls: [{ ok: false, error: { code: "tool_cancelled" } }] },
    });
  });

  it("refused by the host raise ToolError with a code, and siblings keep their results", async () => {
    const add = defineTool({
      ...{ name: "add", description: "Add.", params: z.object({ a: z.number(), b: z.number() }) },
      handler: ({ a, b }) => a + b,
    });
    const fail = defineTool({
      ...{ name: "fail", description: "Fail.", params: z.object({}) },
      handler: () => {
        throw new Error("boom");
      },
    });
    const { runtime } = await farRuntime({ tools: { tools: [{ alias: "t", module: [add, fail], allow: ["add"] }] } });
    const code = [
      "import asyncio",
      "found = await asyncio.gather(t.add(1, 2), t.add(a=1, b='x'), t.fail(), agent_io_tools.tool_call(tool_id='constructor', params={}), t.add(3, 4), return_exceptions=True)",
      "print([f if isinstance(f, int) else f.code for f in found])",
    ].join("\n");
    const result = await runtime.run({ userId: "a", code });
    expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    expect(result.output.stdout.text).toBe("[3, 'invalid_params', 'tool_not_allowed', 'unknown_tool', 7]\n");
    expect(result.totals.toolCalls).toBe(5);
  });
});

describe("roots", () => {
  it.each(["/proc/nowhere", "/sys/nowhere"])("below %s are refused, at once", async (workspaceRoot) => {
    const { runtime } = await farRuntime({ workspaceRoot });
    const result = await runtime.run({ userId: "a", code: "" });
    expect(result).toMatchObject({ status: "rejected", error: { code: "config_invalid" } });
    expect(result.error?.message).toContain(workspaceRoot);
  });
});

describe("stream", () => {
  it("left early cancels the run", async () => {
    const { runtime, roots } = await farRuntime();
    for await (const event of runtime.stream({ userId: "a", code: "print('x')\nwhile True: pass" })) {
      if (event.type === "output") break;
    }
    const history = readFileSync(join(roots, "w/.iso-runtime/history.jsonl"), "utf8").trim().split("\n");
    expect(JSON.parse(history.at(-1) ?? "")).toMatchObject({ status: "cancelled", code: "cancelled" });
  });

  it("of a rejected run is run.finished alone", async () => {
    const { runtime } = await farRuntime();
    const events: RunEvent[] = [];
    for await (const event of runtime.stream({ userId: "..", code: "" })) events.push(event);
    expect(events).toMatchObject([
      { seq: 1, type: "run.finished", result: { status: "rejected", error: { code: "invalid_user_id" } } },
    ]);
  });

  it("after close rejects, and does not hang", async () => {
    const { runtime } = await farRuntime();
    await runtime.close();
    await expect(runtime.stream({ userId: "a", code: "" }).next()).rejects.toThrow("closed");
  });
});

describe("close", () => {
  it("cancels what runs and what waits", async () => {
    const { runtime } = await farRuntime();
    const runs = [1, 2, 3].map(() => runtime.run({ userId: "a", code: "while True: pass" }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await runtime.close();
    for (const result of await Promise.all(runs))
      expect(result).toMatchObject({ status: "cancelled", error: { code: "cancelled" } });
  });
});
