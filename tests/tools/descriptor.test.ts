import { join } from "node:path";
import { describe, expect, it } from "vitest";
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
  });

  it.each<[string, Record<string, string>, RegExp]>([
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
