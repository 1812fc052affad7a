import { readdirSync, readFileSync, symlinkSync } from "node:fs";
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
