import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve, sep } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseContract } from "../../src/contract/contract.js";
import { IsoError } from "../../src/model/errors.js";

function refusal(input: unknown): IsoError {
  try {
    parseContract(input);
  } catch (error) {
    if (error instanceof IsoError) return error;
    throw error;
  }
  throw new Error("the contract was accepted");
}
const entry = (path: string, more: object = {}) => ({ path, description: "d", ...more });

describe("parseContract", () => {
  it("accepts what the specification names, and gives it back", () => {
    const contract = [
      { path: "a.txt", description: "a" },
      { path: "dir/b.json", description: "", optional: true, schema: { type: "object" } },
      {
        path: "turn_x/files/c.csv",
        description: "c",
        minBytes: 1,
        maxBytes: 10,
        mime: "text/csv",
        columns: ["x", "y"],
      },
      { path: "empty", description: "may be empty", minBytes: 0, maxBytes: 0 },
    ];
    expect(parseContract(contract)).toEqual(contract);
  });

  it.each([
    "..foo",
    "...",
    "-dash",
    "a\\b",
    "C:\\x",
    "logs.txt",
    "a/logs/x",
    "Logs/x",
    "~",
    "a b",
    "ü/€.txt",
    ".hidden",
    "a:b",
    "*",
    "\u202e",
  ])("accepts the path %j, which means one file", (path) => expect(parseContract([entry(path)])).toHaveLength(1));

  it.each<[unknown, RegExp]>([
    ["", /is empty/],
    ["/etc/passwd", /is absolute.*"passwd"/],
    ["/", /is absolute/],
    ["//x", /is absolute/],
    ["..", /component "\.\."/],
    ["../x", /component "\.\."/],
    ["a/../b", /component "\.\."/],
    ["a/..", /component "\.\."/],
    [".", /component "\."/],
    ["./a", /component "\."/],
    ["a/./b", /component "\."/],
    ["a//b", /empty component/],
    ["a/", /empty component/],
    ["a\0b", /control character \(\\x00\)/],
    ["a\nb", /control character \(\\x0a\)/],
    ["a\x7f", /control character/],
    ["a\x85", /control character/],
    ["\ud800", /surrogate/],
    ["logs", /logs\//],
    ["logs/x.txt", /logs\//],
    ["logs/a/b", /logs\//],
    ["x".repeat(256), /longer than 255 bytes/],
    ["ü".repeat(128), /longer than 255 bytes/],
    [`${"a/".repeat(2500)}b`, /longer than 4000 bytes/],
    [7, /must be a text/],
    [null, /must be a text/],
    [undefined, /must be a text|is missing/],
  ])("refuses the path %j", (path, reason) => {
    const error = refusal([entry("fine"), { path, description: "d" }]);
    expect(error.code).toBe("contract_invalid");
    expect(error.field).toBe("contract[1].path");
    expect(error.message).toMatch(reason);
    expect(error.message).toMatch(/^contract\[1\]\.path .*\.$/);
  });

  it.each<[string, unknown, string, RegExp]>([
    ["no list", { path: "a", description: "d" }, "contract", /must be a list/],
    ["null", null, "contract", /must be a list/],
    ["an empty list", [], "contract", /empty list/],
    ["too many", Array.from({ length: 1001 }, (_, i) => entry(`f${i}`)), "contract", /1001 entries/],
    [
      "too much text in all",
      Array.from({ length: 400 }, (_, i) => ({ path: `f${i}`, description: "\u0001".repeat(4000) })),
      "contract",
      /bytes of paths and descriptions/,
    ],
    ["a text for an entry", ["a.txt"], "contract[0]", /must be an object/],
    ["a hole in the list", new Array(1), "contract[0]", /must be an object/],
    ["no path", [{ description: "d" }], "contract[0].path", /is missing/],
    ["no description", [{ path: "a" }], "contract[0].description", /is missing/],
    ["a long description", [{ path: "a", description: "x".repeat(5000) }], "contract[0].description", /4096/],
    [
      "a misspelt key",
      [entry("a", { mimetype: "x" })],
      "contract[0].mimetype",
      /there are path, description, optional, minBytes/,
    ],
    ["optional as text", [entry("a", { optional: "yes" })], "contract[0].optional", /true or false/],
    ["a duplicate", [entry("a"), entry("b"), entry("a")], "contract[2].path", /contract\[0\]/],
    ["a duplicate in another normal form", [entry("\u00e9"), entry("e\u0301")], "contract[1].path", /contract\[0\]/],
    ["a folder of another", [entry("a/b"), entry("a")], "contract[0].path", /lies in "a".*contract\[1\]/],
    [
      "a folder in another normal form",
      [entry("\u00e9"), entry("x"), entry("e\u0301/b/c")],
      "contract[2].path",
      /contract\[0\]/,
    ],
    ["negative bytes", [entry("a", { minBytes: -1 })], "contract[0].minBytes", /negative/],
    ["half a byte", [entry("a", { maxBytes: 1.5 })], "contract[0].maxBytes", /whole number/],
    ["bytes as text", [entry("a", { maxBytes: "1" })], "contract[0].maxBytes", /whole number/],
    ["more than at most", [entry("a", { minBytes: 2, maxBytes: 1 })], "contract[0].minBytes", /more than maxBytes 1/],
    ["at most nothing", [entry("a", { maxBytes: 0 })], "contract[0].maxBytes", /minBytes: 0/],
    ["no media type", [entry("a", { mime: "csv" })], "contract[0].mime", /no media type/],
    ["another charset", [entry("a", { mime: "text/csv; charset=latin1" })], "contract[0].mime", /no media type/],
    ["no columns", [entry("a.csv", { columns: [] })], "contract[0].columns", /at least one/],
    ["an empty column", [entry("a.csv", { columns: ["x", ""] })], "contract[0].columns[1]", /must not be empty/],
    ["a column twice", [entry("a.csv", { columns: ["x", "x"] })], "contract[0].columns", /twice/],
    ["columns of no CSV", [entry("a.json", { columns: ["x"] })], "contract[0].columns", /\.csv/],
    ["schema and columns", [entry("a.csv", { columns: ["x"], schema: {} })], "contract[0].schema", /one of them/],
    ["a schema that is none", [entry("a.json", { schema: 5 })], "contract[0].schema", /JSON Schema/],
    [
      "a wrong schema",
      [entry("a.json", { schema: { type: "strange" } })],
      "contract[0].schema",
      /no valid JSON Schema/,
    ],
    ["a broken pattern", [entry("a.json", { schema: { pattern: "(" } })], "contract[0].schema", /no valid JSON Schema/],
    [
      "a remote reference",
      [entry("a.json", { schema: { $ref: "https://evil.example/x.json" } })],
      "contract[0].schema",
      /inside the schema/,
    ],
    [
      "a file reference",
      [entry("a.json", { schema: { properties: { a: { $ref: "file:///etc/passwd" } } } })],
      "contract[0].schema",
      /inside the schema/,
    ],
    [
      "a lost reference",
      [entry("a.json", { schema: { $ref: "#/$defs/none" } })],
      "contract[0].schema",
      /no valid JSON Schema/,
    ],
    [
      "an unknown dialect",
      [entry("a.json", { schema: { $schema: "http://json-schema.org/draft-04/schema#" } })],
      "contract[0].schema",
      /unknown \$schema/,
    ],
    [
      "a large schema",
      [entry("a.json", { schema: { description: "x".repeat(70_000) } })],
      "contract[0].schema",
      /larger than/,
    ],
  ])("refuses %s", (_, input, field, reason) => {
    const error = refusal(input);
    expect(error.code).toBe("contract_invalid");
    expect(error.field).toBe(field);
    expect(error.message).toMatch(reason);
  });

  it("refuses a schema that is deep without end", () => {
    const loop: Record<string, unknown> = {};
    loop.items = loop;
    expect(refusal([entry("a.json", { schema: loop })]).message).toMatch(/levels deep/);
    let deep: unknown = {};
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(refusal([entry("a.json", { schema: { enum: deep } })]).message).toMatch(/levels deep/);
  });

  it("accepts every dialect it names, references inside, and a property that is called $ref", () => {
    for (const schema of [
      { $schema: "https://json-schema.org/draft/2020-12/schema", prefixItems: [{ type: "string" }] },
      { $schema: "https://json-schema.org/draft/2019-09/schema", type: "object" },
      { $schema: "http://json-schema.org/draft-07/schema#", definitions: { a: {} }, $ref: "#/definitions/a" },
      { $defs: { a: { type: "string", format: "date-time" } }, items: { $ref: "#/$defs/a" } },
      { properties: { $ref: { type: "string" } }, const: { $ref: "https://data.example/" } },
      true,
    ]) {
      expect(parseContract([entry("a.json", { schema })])).toHaveLength(1);
    }
  });

  it("never accepts a path that leaves out/, and refuses only with contract_invalid", () => {
    const out = mkdtempSync(join(tmpdir(), "contract-path-"));
    mkdirSync(join(out, "logs"));
    const name = fc.oneof(
      fc.constantFrom(
        "",
        ".",
        "..",
        "...",
        "logs",
        "a",
        "..a",
        "a..",
        " ",
        "\\",
        "..\\",
        "%2e%2e",
        "\0",
        "\n",
        "~",
        "C:",
      ),
      fc.string({ unit: "binary", maxLength: 6 }),
    );
    const path = fc
      .tuple(fc.constantFrom("", "/", "./", "//"), fc.array(name, { maxLength: 6 }), fc.constantFrom("", "/"))
      .map(([front, names, end]) => `${front}${names.join("/")}${end}`);
    let accepted = 0;
    fc.assert(
      fc.property(path, (text) => {
        try {
          parseContract([entry(text)]);
        } catch (error) {
          expect(error).toMatchObject({ code: "contract_invalid", field: "contract[0].path" });
          return;
        }
        accepted += 1;
        const target = resolve(out, text);
        expect(target.startsWith(out + sep)).toBe(true);
        expect(target).toBe(`${out}${sep}${text}`);
        expect(target.startsWith(join(out, "logs") + sep)).toBe(false);
        expect(target).not.toBe(join(out, "logs"));
      }),
      { numRuns: 2000 },
    );
    rmSync(out, { recursive: true });
    expect(accepted).toBeGreaterThan(20);
  });

  it("refuses anything else with a field and a sentence", () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        const { code, field, message } = refusal([input]);
        expect({ code, field: field?.startsWith("contract[0]") }).toEqual({ code: "contract_invalid", field: true });
        expect(message.length).toBeGreaterThan(20);
      }),
      { numRuns: 1000 },
    );
  });
});
