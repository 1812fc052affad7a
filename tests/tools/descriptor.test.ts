import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Tree } from "../../src/safefs/tree.js";
import { defineTool } from "../../src/tools/define-tool.js";
import { TreeOutputFiles } from "../../src/tools/output-files.js";
import { ToolSubsystem } from "../../src/tools/subsystem.js";
import { tempFiles } from "../support/temp.js";

const tool = (name: string) =>
  `defineTool({ name: "${name}", description: "d", params: z.object({ a: z.string(), b: z.number() }), handler: () => 1 })`;
const good = `export default ({ defineTool, z }) => [${tool("one")}, ${tool("two")}];`;

function folder(files: Record<string, string>): string {
  return join(tempFiles(files), Object.keys(files)[0] ?? "");
}
const descriptor = (entries: string) => `export default { tools: [${entries}] };`;

describe("a tools descriptor", () => {
  it("gives a table with parameters in the schema's order", async () => {
    const file = folder({
      "tools-descriptor.mjs": descriptor('{ alias: "t", module: "./t.mjs", allow: ["one"] }'),
      "t.mjs": good,
    });
    const tools = await ToolSubsystem.create(file);
    expect(tools.table).toEqual([
      { alias: "t", tools: ["one", "two"].map((name) => ({ name, params: ["a", "b"], doc: "d" })) },
    ]);
    expect(tools.describe().map(({ toolId, allowed }) => [toolId, allowed])).toEqual([
      ["t.one", true],
      ["t.two", false],
    ]);
  });

  it("may be TypeScript, and so may its modules", async () => {
    const file = folder({
      "tools-descriptor.ts": `type T = { tools: unknown[] };\nexport default { tools: [{ alias: "t", module: "./t.ts" }] } satisfies T;`,
      "t.ts": `const n: number = 1;\nexport default ({ defineTool, z }: any) => [defineTool({ name: "one", description: "d", params: z.object({}), handler: () => n })];`,
    });
    expect((await ToolSubsystem.create(file)).table[0]?.tools[0]?.name).toBe("one");
    // Nothing of ours is written outside the roots, and a loader's cache would be.
    const cache = join(tmpdir(), "jiti");
    const cached = existsSync(cache) ? readdirSync(cache) : [];
    expect(cached.filter((name) => name.startsWith(basename(dirname(file))))).toEqual([]);
  });

  it("hands a module what it needs, so that it can fail by a code of its own with nothing installed", async () => {
    const file = folder({
      "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }'),
      "t.mjs": `export default ({ defineTool, ToolFailure, z }) => [defineTool({ name: "no", description: "d", params: z.object({}),
        handler() { throw new ToolFailure("quota", "no more"); } })];`,
    });
    const tools = await ToolSubsystem.create(file);
    const session = tools.session({
      ...{ runId: "r", userId: "u", turnId: "t", log() {}, emit() {} },
      output: new TreeOutputFiles(() => Tree.open("/")),
    });
    const answer = await session.call({ id: "1", toolId: "t.no", params: {}, reason: null });
    expect(answer).toMatchObject({ ok: false, error: { code: "quota", message: "no more" } });
  });

  const params = z.object({});
  it.each<[string, object, RegExp]>([
    ["parameters that are no object", { params: z.string() }, /"x": params must be z\.object/],
    ["no description", { description: undefined }, /"x": description/],
    ["no handler", { handler: "echo" }, /"x": handler/],
    ["a promise that is no schema", { returns: "string" }, /"x": returns/],
    ["a time that a timer cannot count", { timeoutMs: 1e12 }, /"x": timeoutMs/],
    ["a time of zero", { timeoutMs: 0 }, /"x": timeoutMs/],
    ["a name with a dash", { name: "a-b" }, /tool name 'a-b'/],
    ["a name the proxy needs", { name: "_alias" }, /_alias/],
  ])("refuses a tool with %s", async (_name, part, sentence) => {
    const broken = { ...{ name: "x", description: "d", params, handler: () => 1 }, ...part };
    // A descriptor written in JavaScript is held to no types.
    const tools = Reflect.apply(ToolSubsystem.create, ToolSubsystem, [{ tools: [{ alias: "t", module: [broken] }] }]);
    await expect(tools).rejects.toMatchObject({ code: "tools_invalid", message: expect.stringMatching(sentence) });
  });

  it("refuses what cannot even be shown as JSON", async () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    const tools = Reflect.apply(ToolSubsystem.create, ToolSubsystem, [{ tools: [{ alias: "t", module: [loop] }] }]);
    await expect(tools).rejects.toMatchObject({
      code: "tools_invalid",
      message: expect.stringContaining("is no tool"),
    });
  });

  it.each([
    "agent_io_tools",
    "ToolError",
    "OUTPUT_DIR",
    "print",
    "list",
    "len",
    "Exception",
    "ValueError",
    "class",
    "a-b",
    "__x",
  ])("refuses the alias %s", async (alias) => {
    const tool = defineTool({ name: "x", description: "d", params, handler: () => 1 });
    await expect(ToolSubsystem.create({ tools: [{ alias, module: [tool] }] })).rejects.toMatchObject({
      code: "tools_invalid",
      message: expect.stringContaining(alias),
    });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["is of another language", { "d.py": "" }, /d\.py: .*\.mjs, \.js or \.ts/],
    ["is not there", {}, /is not there/],
    ["has a syntax error", { "d.mjs": "export default {" }, /d\.mjs: .*cannot be loaded/],
    ["exports nothing", { "d.mjs": "export const x = 1;" }, /d\.mjs: .*no list of tools/],
    [
      "names a module that is not there",
      { "d.mjs": descriptor('{ alias: "t", module: "./no.mjs" }') },
      /no\.mjs: .*not there/,
    ],
    [
      "names a module that throws",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }'), "t.mjs": "throw new Error('bang')" },
      /t\.mjs: .*bang/,
    ],
    [
      "names a module without tools",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }'), "t.mjs": "export default []" },
      /t\.mjs: .*no tools/,
    ],
    [
      "names a module of something else",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }'), "t.mjs": "export default [{}]" },
      /no tool/,
    ],
    [
      "has an unknown key",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs", allowed: [] }'), "t.mjs": good },
      /allowed/,
    ],
    [
      "has an alias twice",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }, { alias: "t", module: "./t.mjs" }'), "t.mjs": good },
      /two sources.*"t"/,
    ],
    [
      "has an alias of Python's",
      { "d.mjs": descriptor('{ alias: "class", module: "./t.mjs" }'), "t.mjs": good },
      /class/,
    ],
    [
      "takes a reserved alias",
      { "d.mjs": descriptor('{ alias: "agent_io_tools", module: "./t.mjs" }'), "t.mjs": good },
      /reserved/,
    ],
    [
      "allows what is not there",
      { "d.mjs": descriptor('{ alias: "t", module: "./t.mjs", allow: ["three"] }'), "t.mjs": good },
      /three/,
    ],
    [
      "has a tool twice",
      {
        "d.mjs": descriptor('{ alias: "t", module: "./t.mjs" }'),
        "t.mjs": `export default ({ defineTool, z }) => [${tool("one")}, ${tool("one")}];`,
      },
      /two tools.*"one"/,
    ],
    ["names an MCP server", { "d.mjs": descriptor('{ alias: "t", mcp: { command: "x" }, allow: ["a"] }') }, /MCP/],
  ])("that %s is one clear error", async (_name, files, sentence) => {
    const file = Object.keys(files).length > 0 ? folder(files) : "/nowhere/d.mjs";
    await expect(ToolSubsystem.create(file)).rejects.toMatchObject({
      code: "tools_invalid",
      message: expect.stringMatching(sentence),
    });
  });
});
