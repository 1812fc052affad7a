import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { EventInput } from "../../src/model/events.js";
import type { ToolCall } from "../../src/model/tools.js";
import { Tree } from "../../src/safefs/tree.js";
import { defineTool, type Tool, ToolFailure } from "../../src/tools/define-tool.js";
import { TreeOutputFiles } from "../../src/tools/output-files.js";
import type { SessionContext } from "../../src/tools/session.js";
import { ToolSubsystem } from "../../src/tools/subsystem.js";
import { tempDir } from "../support/temp.js";

const echo = defineTool({
  ...{
    name: "echo",
    description: "Say it again.",
    params: z.object({ text: z.string(), times: z.number().default(1) }),
  },
  handler: ({ text, times }) => text.repeat(times),
});

async function session(tools: Tool[] = [echo], options: { allow?: string[] } & Partial<SessionContext> = {}) {
  const { allow, ...context } = options;
  const subsystem = await ToolSubsystem.create({ tools: [{ alias: "t", module: tools, ...(allow && { allow }) }] });
  const events: EventInput[] = [];
  const out = tempDir();
  const opened = subsystem.session({
    ...{ runId: "r", userId: "u", turnId: "t", log() {}, emit: (event: EventInput) => events.push(event) },
    output: new TreeOutputFiles(() => Tree.open(out)),
    ...context,
  });
  return { session: opened, events, out };
}

let next = 0;
const call = (toolId: string, params: Record<string, unknown> = {}, id = `c${next++}`): ToolCall => ({
  id,
  toolId,
  params,
  reason: null,
});

describe("a tool call", () => {
  it("is checked, executed, answered and recorded", async () => {
    const { session: tools, events } = await session();
    expect(await tools.call(call("t.echo", { text: "ab", times: 2 }, "one"))).toEqual({
      id: "one",
      ok: true,
      ret: "abab",
    });
    expect(tools.records()).toMatchObject({ total: 1, list: [{ id: "one", toolId: "t.echo", ok: true, ret: "abab" }] });
    expect(events.map((event) => event.type)).toEqual(["tool.called", "tool.returned"]);
  });

  it("is executed once for an id, however often and however fast it is sent", async () => {
    const handler = vi.fn(() => "done");
    const tool = defineTool({ name: "once", description: "Once.", params: z.object({}), handler });
    const { session: tools } = await session([tool]);
    const answers = await Promise.all([1, 2, 3].map(() => tools.call(call("t.once", {}, "same"))));
    expect(handler).toHaveBeenCalledOnce();
    expect(answers.map((answer) => (answer.ok ? "ok" : answer.error.code)).sort()).toEqual([
      "duplicate_call",
      "duplicate_call",
      "ok",
    ]);
  });

  it.each([
    ["constructor", "unknown_tool"],
    ["__proto__", "unknown_tool"],
    ["t.constructor", "unknown_tool"],
    ["t.toString", "unknown_tool"],
    ["toString.call", "unknown_tool"],
    ["", "unknown_tool"],
    [".", "unknown_tool"],
    ["t.", "unknown_tool"],
    [".echo", "unknown_tool"],
    ["t.echo.echo", "unknown_tool"],
    ["t.hidden", "tool_not_allowed"],
  ])("of %j is %s", async (toolId, code) => {
    const hidden = defineTool({ name: "hidden", description: "Not for you.", params: z.object({}), handler: () => 1 });
    const { session: tools } = await session([echo, hidden], { allow: ["echo"] });
    expect(await tools.call(call(toolId))).toMatchObject({ ok: false, error: { code } });
  });

  it("names the parameter that is wrong", async () => {
    const { session: tools } = await session();
    const answer = await tools.call(call("t.echo", { text: 7 }));
    expect(answer).toMatchObject({
      ok: false,
      error: { code: "invalid_params", message: expect.stringContaining("text") },
    });
  });

  it("tells of a handler that throws, by its message or by a code of its own", async () => {
    const tool = (name: string, error: Error) =>
      defineTool({
        ...{ name, description: "Fails.", params: z.object({}) },
        handler: () => {
          throw error;
        },
      });
    const { session: tools } = await session([
      tool("plain", new Error("boom")),
      tool("coded", new ToolFailure("quota", "no more")),
    ]);
    expect(await tools.call(call("t.plain"))).toMatchObject({ error: { code: "tool_failed", message: "boom" } });
    expect(await tools.call(call("t.coded"))).toMatchObject({ error: { code: "quota", message: "no more" } });
  });

  it("refuses results that are no JSON, too large, or not as promised", async () => {
    const give = (name: string, value: unknown, returns?: z.ZodType) =>
      defineTool({
        name,
        description: "Gives.",
        params: z.object({}),
        handler: () => value,
        ...(returns && { returns }),
      });
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const { session: tools } = await session([
      ...[give("loop", loop), give("big", 1n), give("long", "x".repeat(9_000_000)), give("other", "x", z.number())],
      ...[give("nothing", undefined), give("proto", JSON.parse('{"__proto__": {"polluted": true}}'))],
    ]);
    for (const name of ["loop", "big", "long", "other"]) {
      expect(await tools.call(call(`t.${name}`)), name).toMatchObject({ ok: false, error: { code: "result_invalid" } });
    }
    expect(await tools.call(call("t.nothing"))).toMatchObject({ ok: true, ret: null });
    await tools.call(call("t.proto"));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("tells the record and the program the same of a result that a frame cannot carry or JSON would lose", async () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
    const give = (name: string, value: unknown) =>
      defineTool({ name, description: "Gives.", params: z.object({}), handler: () => value });
    const { session: tools } = await session([
      ...[give("shallow", nested(60)), give("deep", nested(61)), give("bottomless", nested(5000))],
      ...[give("nan", { mean: Number.NaN }), give("map", { of: new Map([[1, 2]]) }), give("call", { f() {} })],
    ]);
    expect(await tools.call(call("t.shallow"))).toMatchObject({ ok: true });
    for (const name of ["deep", "bottomless", "nan", "map", "call"]) {
      expect(await tools.call(call(`t.${name}`)), name).toMatchObject({ ok: false, error: { code: "result_invalid" } });
    }
    expect(await tools.call(call("t.nan"))).toMatchObject({
      error: { message: expect.stringContaining('"mean" is NaN') },
    });
    expect(tools.records().list.map((record) => record.ok)).toEqual([true, false, false, false, false, false, false]);
  });

  it("takes schemas that check asynchronously", async () => {
    const even = z.number().refine(async (n) => n % 2 === 0, "must be even");
    const tool = defineTool({
      ...{ name: "half", description: "Halves.", params: z.object({ n: even }), returns: even },
      handler: ({ n }) => n / 2,
    });
    const { session: tools } = await session([tool]);
    expect(await tools.call(call("t.half", { n: 4 }))).toMatchObject({ ok: true, ret: 2 });
    expect(await tools.call(call("t.half", { n: 3 }))).toMatchObject({
      error: { code: "invalid_params", message: "t.half: n: must be even" },
    });
    expect(await tools.call(call("t.half", { n: 6 }))).toMatchObject({ error: { code: "result_invalid" } });
  });

  it("is answered whatever its handler throws", async () => {
    const odd = [
      undefined,
      null,
      7,
      "text",
      Symbol("s"),
      Object.create(null),
      Object.assign(new Error(), { message: 7 }),
    ];
    const { session: tools } = await session(
      odd.map((thrown, index) =>
        defineTool({
          ...{ name: `odd${index}`, description: "Throws.", params: z.object({}) },
          handler: () => {
            throw thrown;
          },
        }),
      ),
    );
    for (const index of odd.keys()) {
      expect(await tools.call(call(`t.odd${index}`)), `odd${index}`).toMatchObject({
        error: { code: "tool_failed", message: expect.any(String) },
      });
    }
  });

  it("keeps the code of a ToolFailure that another copy of the package made", async () => {
    const foreign = Object.assign(new Error("no more"), { name: "ToolFailure", code: "quota" });
    const tool = defineTool({
      ...{ name: "foreign", description: "Fails.", params: z.object({}) },
      handler: () => Promise.reject(foreign),
    });
    const { session: tools } = await session([tool]);
    expect(await tools.call(call("t.foreign"))).toMatchObject({ error: { code: "quota", message: "no more" } });
  });

  it("waits for its turn where hundreds are under way, and none is refused or runs beside too many", async () => {
    let atWork = 0;
    let most = 0;
    const tool = defineTool({
      ...{ name: "busy", description: "Works.", params: z.object({}) },
      handler: async () => {
        most = Math.max(most, ++atWork);
        await new Promise((resolve) => setImmediate(resolve));
        atWork -= 1;
      },
    });
    const { session: tools } = await session([tool]);
    const answers = await Promise.all(Array.from({ length: 900 }, () => tools.call(call("t.busy"))));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(900);
    expect(most).toBe(256);
    expect(tools.pending).toBe(0);
  });

  it("is settled by the run's cancelling, at work or still in line, and recorded", async () => {
    const handler = vi.fn(() => new Promise(() => {}));
    const hang = defineTool({ name: "hang", description: "Hangs.", params: z.object({}), handler });
    const { session: tools, events } = await session([hang]);
    const answers = Promise.all(Array.from({ length: 300 }, () => tools.call(call("t.hang"))));
    await vi.waitFor(() => expect(handler).toHaveBeenCalledTimes(256));
    tools.cancel("timeout");
    await tools.settled();
    for (const answer of await answers) expect(answer).toMatchObject({ error: { code: "tool_cancelled" } });
    expect(handler).toHaveBeenCalledTimes(256);
    expect(tools.pending).toBe(0);
    expect(tools.records().list.every((record) => record.error?.code === "tool_cancelled")).toBe(true);
    expect(events.filter((event) => event.type === "tool.returned")).toHaveLength(300);
  });

  it("is settled where the program gives it up, and no other is: at work its signal aborts, in line its place goes on", async () => {
    const aborted: string[] = [];
    const hang = defineTool({
      ...{ name: "hang", description: "Hangs.", params: z.object({ id: z.string() }) },
      handler: ({ id }, { signal }) => new Promise(() => signal.addEventListener("abort", () => aborted.push(id))),
    });
    const { session: tools } = await session([hang, echo]);
    const ids = Array.from({ length: 258 }, (_, i) => `h${i}`);
    const answers = new Map(ids.map((id) => [id, tools.call(call("t.hang", { id }, id))]));
    const last = tools.call(call("t.echo", { text: "x" }, "last"));
    tools.giveUp("h257");
    tools.giveUp("unknown");
    expect(await answers.get("h257")).toMatchObject({ error: { code: "tool_cancelled" } });
    expect(aborted).toEqual([]);
    tools.giveUp("h0");
    tools.giveUp("h1");
    expect(await answers.get("h0")).toMatchObject({ error: { code: "tool_cancelled" } });
    expect(await last).toMatchObject({ ok: true, ret: "x" });
    expect(aborted).toEqual(["h0", "h1"]);
    expect(tools.pending).toBe(256 - 1);
    tools.cancel("over");
    await tools.settled();
    expect(tools.pending).toBe(0);
  });

  it("has begun its handler when it is told of, so that cancelling then reaches the handler's signal", async () => {
    let told: AbortSignal | undefined;
    const tool = defineTool({
      ...{ name: "hang", description: "Hangs.", params: z.object({}) },
      handler: (_params, { signal }) => {
        told = signal;
        return new Promise(() => {});
      },
    });
    const { session: tools } = await session([tool]);
    const answer = tools.call(call("t.hang"));
    tools.cancel("cancelled");
    expect(told?.aborted).toBe(true);
    expect(await answer).toMatchObject({ error: { code: "tool_cancelled" } });
  });

  it("cancelled while its schema is at work has no effect", async () => {
    const handler = vi.fn();
    const slow = z.object({}).refine(async () => true);
    const tool = defineTool({ name: "act", description: "Acts.", params: slow, handler });
    const { session: tools } = await session([tool]);
    const answer = tools.call(call("t.act"));
    tools.cancel("cancelled");
    expect(await answer).toMatchObject({ error: { code: "tool_cancelled" } });
    // The schema answers after the call did.
    await new Promise((resolve) => setImmediate(resolve));
    expect(handler).not.toHaveBeenCalled();
  });

  it("costs the host an answer and nothing else once there were too many", async () => {
    const { session: tools, events } = await session([echo], { maxCalls: 10 });
    for (let n = 0; n < 5000; n += 1) await tools.call(call("t.echo", { text: "x" }));
    expect(tools.records().total).toBe(5000);
    expect(tools.records().list).toHaveLength(1000);
    expect(tools.records().list.filter((record) => record.ok)).toHaveLength(10);
    expect(tools.records().list.at(-1)?.error?.code).toBe("too_many_calls");
    // Ten calls and the first refusal, each with its return.
    expect(events).toHaveLength(22);
  });

  it("is refused where the calls under way would make the host hold too much", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tool = defineTool({
      ...{ name: "keep", description: "Keeps.", params: z.object({ text: z.string() }) },
      handler: () => gate,
    });
    const { session: tools } = await session([tool]);
    const text = "x".repeat(7 * 1024 * 1024);
    const held = Array.from({ length: 9 }, () => tools.call(call("t.keep", { text })));
    expect(await tools.call(call("t.keep", { text }))).toMatchObject({
      error: { code: "too_many_calls", message: expect.stringContaining("64 MiB") },
    });
    release();
    expect((await Promise.all(held)).every((answer) => answer.ok)).toBe(true);
    expect(await tools.call(call("t.keep", { text }))).toMatchObject({ ok: true });
    expect(String(tools.records().list[0]?.params).length).toBeLessThan(2000);
  });

  it("ends by its time, by the run's cancelling, and by the number of calls", async () => {
    const never = defineTool({
      name: "never",
      description: "Hangs.",
      params: z.object({}),
      timeoutMs: 20,
      handler: () => new Promise(() => {}),
    });
    const { session: tools } = await session([never, echo], { maxCalls: 2 });
    expect(await tools.call(call("t.never"))).toMatchObject({ error: { code: "tool_timeout" } });
    expect(await tools.call(call("t.echo", { text: "x" }))).toMatchObject({ ok: true });
    expect(await tools.call(call("t.echo", { text: "x" }))).toMatchObject({ error: { code: "too_many_calls" } });
    tools.cancel("over");
    expect(await tools.call(call("t.echo", { text: "x" }))).toMatchObject({ error: { code: "tool_cancelled" } });
    expect(tools.records().total).toBe(4);
  });

  it("is counted as pending while its handler is at work", async () => {
    const { session: tools } = await session();
    const seen: number[] = [];
    const stop = tools.onPending((pending) => seen.push(pending));
    await tools.call(call("t.echo", { text: "x" }));
    stop();
    await tools.call(call("t.echo", { text: "x" }));
    expect(seen).toEqual([1, 0]);
  });

  it("always gets an answer, whatever is sent", async () => {
    const { session: tools } = await session([echo], { maxCalls: 10_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.string(),
        fc.string(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        async (id, toolId, params) => {
          const answer = await tools.call({ id, toolId, params, reason: null });
          expect(answer.id).toBe(id);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("the files of a tool", () => {
  const write = defineTool({
    ...{ name: "write", description: "Writes.", params: z.object({ path: z.string() }) },
    handler: async ({ path }, { output }) => await output.write(path, "x"),
  });

  it("are closed once the call is over, so that a late handler writes nothing into the next run", async () => {
    let late: Promise<unknown> = Promise.resolve();
    const tool = defineTool({
      ...{ name: "late", description: "Ignores its signal.", params: z.object({}) },
      handler: (_params, { output, signal }) => {
        const over = new Promise((resolve) => signal.addEventListener("abort", resolve));
        late = over.then(() => output.write("late.txt", "x"));
        return late;
      },
    });
    const { session: tools, out } = await session([tool]);
    const answer = tools.call(call("t.late"));
    await vi.waitFor(() => expect(tools.pending).toBe(1));
    await new Promise((resolve) => setImmediate(resolve));
    tools.cancel("timeout");
    expect(await answer).toMatchObject({ error: { code: "tool_cancelled" } });
    await expect(late).rejects.toMatchObject({ code: "tool_cancelled" });
    expect(readdirSync(out)).toEqual([]);
  });

  it("are listed below a folder only, without what is behind links or has no name in UTF-8", async () => {
    const outside = tempDir();
    writeFileSync(join(outside, "secret.txt"), "");
    const out = tempDir();
    const files = new TreeOutputFiles(() => Tree.open(out));
    for (const path of ["notes/a.txt", "notes/deep/b.txt", "notes2/c.txt", "d.txt"]) await files.write(path, path);
    await files.makeDir("notes/empty");
    symlinkSync(outside, join(out, "notes/door"));
    writeFileSync(Buffer.concat([Buffer.from(`${out}/notes/`), Buffer.from([0xff])]), "");
    expect(await files.list("notes")).toEqual(["notes/a.txt", "notes/deep/b.txt"]);
    expect(await files.list("notes/deep/")).toEqual(["notes/deep/b.txt"]);
    expect((await files.list()).sort()).toEqual(["d.txt", "notes/a.txt", "notes/deep/b.txt", "notes2/c.txt"]);
    expect(await files.list("notes/door")).toEqual([]);
    expect(await files.list("../")).toEqual([]);
    expect((await files.read("notes/a.txt")).toString()).toBe("notes/a.txt");
    await expect(files.read("notes/door/secret.txt")).rejects.toMatchObject({ name: "SafeFsError" });
    expect([await files.exists("d.txt"), await files.exists("notes/door/secret.txt")]).toEqual([true, false]);
    await expect(files.write("d.txt", "y", { exclusive: true })).rejects.toMatchObject({ reason: "exists" });
    await expect(files.makeDir("logs/x")).rejects.toMatchObject({ reason: "invalid_path" });
  });

  it("cannot leave out/, whatever the path or the links planted there", async () => {
    const outside = tempDir();
    const { session: tools, out } = await session([write]);
    symlinkSync(outside, join(out, "door"));
    for (const path of ["../x", "/etc/x", "a/../../x", "door/x", "", ".", "logs/user.log", "a\0b"]) {
      expect(await tools.call(call("t.write", { path })), path).toMatchObject({ ok: false });
    }
    expect(readdirSync(outside)).toEqual([]);
    expect(await tools.call(call("t.write", { path: "a/b.txt" }))).toMatchObject({ ok: true });
    expect(readFileSync(join(out, "a/b.txt"), "utf8")).toBe("x");
  });
});
