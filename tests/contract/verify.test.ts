import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { linkSync, mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseContract } from "../../src/contract/contract.js";
import { type ArtifactOrigin, contractMet, summariseUnmet, verifyContract } from "../../src/contract/verify.js";
import type { Artifact } from "../../src/model/files.js";
import { removeTree, Tree } from "../../src/safefs/tree.js";

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "verify-"));
});
afterEach(() => removeTree(out));

function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(out, path)), { recursive: true });
  writeFileSync(join(out, path), content);
}
const fresh: ArtifactOrigin = { existed: () => false, written: () => false, leftOut: () => null };

async function verify(contract: object[], origin = fresh): Promise<Artifact[]> {
  const entries = parseContract(contract.map((entry) => ({ description: "d", ...entry })));
  using tree = Tree.open(out);
  return await verifyContract(entries, tree, origin);
}
async function verifyOne(entry: object, origin = fresh): Promise<Artifact> {
  const [artifact] = await verify([entry], origin);
  if (artifact === undefined) throw new Error("no artifact");
  return artifact;
}
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

describe("verifyContract", () => {
  it("is satisfied by a file, and says what it is", async () => {
    put("a/b.txt", "hello");
    expect(await verifyOne({ path: "a/b.txt", description: "greeting" })).toEqual({
      ...{ path: "a/b.txt", description: "greeting", status: "satisfied", bytes: 5, mime: "text/plain" },
      sha256: hash("sha256", "hello"),
    });
  });

  it("keeps the order of the contract, and lists every artifact", async () => {
    put("b", "x");
    const artifacts = await verify([{ path: "c" }, { path: "b" }, { path: "a" }]);
    expect(artifacts.map(({ path, status }) => [path, status])).toEqual([
      ["c", "missing"],
      ["b", "satisfied"],
      ["a", "missing"],
    ]);
  });

  it("says missing, and that an optional one was", async () => {
    const nothing = { bytes: null, mime: null, sha256: null };
    expect(await verifyOne({ path: "x/y" })).toMatchObject({ status: "missing", ...nothing });
    const optional = await verifyOne({ path: "x", optional: true });
    expect(optional).toMatchObject({ status: "missing", optional: true, ...nothing });
    expect(contractMet([optional])).toBe(true);
  });

  it("says empty, unless an empty file is allowed", async () => {
    put("e", "");
    expect(await verifyOne({ path: "e" })).toMatchObject({ status: "empty", bytes: 0 });
    expect(await verifyOne({ path: "e", minBytes: 5 })).toMatchObject({ status: "empty" });
    expect(await verifyOne({ path: "e", minBytes: 0 })).toMatchObject({ status: "satisfied", bytes: 0 });
  });

  it("blocks what is no regular file, and names it", async () => {
    put("real", "x");
    put("dir/inside", "x");
    symlinkSync("real", join(out, "link"));
    symlinkSync("/etc/passwd", join(out, "outside"));
    symlinkSync("nowhere", join(out, "broken"));
    symlinkSync("dir", join(out, "dirlink"));
    execFileSync("mkfifo", [join(out, "pipe")]);
    const server = createServer().listen(join(out, "sock"));
    await new Promise((resolve) => server.once("listening", resolve));
    const nothing = { status: "blocked", bytes: null, mime: null, sha256: null };
    const expected = [
      ["link", "is a symbolic link, not a regular file"],
      ["outside", "is a symbolic link, not a regular file"],
      ["broken", "is a symbolic link, not a regular file"],
      ["dir", "is a folder, not a regular file"],
      ["pipe", "is a FIFO, not a regular file"],
      ["sock", "is a socket, not a regular file"],
      ["dirlink/inside", "its folder dirlink is a symbolic link"],
      ["real/x", "its folder real is a file"],
    ];
    try {
      for (const [path, message] of expected) expect(await verifyOne({ path })).toMatchObject({ ...nothing, message });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("says stale for a file that was there and was not written", async () => {
    put("old", "x");
    const origin = (existed: boolean, written: boolean) => ({
      ...fresh,
      existed: () => existed,
      written: () => written,
    });
    expect(await verifyOne({ path: "old" }, origin(true, false))).toMatchObject({ status: "stale", bytes: 1 });
    expect(await verifyOne({ path: "old" }, origin(true, true))).toMatchObject({ status: "satisfied" });
    expect(await verifyOne({ path: "old" }, origin(false, false))).toMatchObject({ status: "satisfied" });
  });

  it("checks sizes, with both bounds allowed", async () => {
    put("five", "12345");
    expect(await verifyOne({ path: "five", minBytes: 5, maxBytes: 5 })).toMatchObject({ status: "satisfied" });
    expect(await verifyOne({ path: "five", minBytes: 6 })).toMatchObject({
      status: "invalid",
      code: "too_small",
      bytes: 5,
    });
    expect(await verifyOne({ path: "five", maxBytes: 4 })).toMatchObject({
      status: "invalid",
      code: "too_large",
      bytes: 5,
    });
  });

  it.each([
    // A large one is opened for its hash, its signature and its text; a small one is read at one go.
    { bytes: 4, opened: 1 },
    { bytes: 200_000, opened: 3 },
  ])("reads a file of many names and $bytes bytes once, and judges each name by itself", async ({ bytes, opened }) => {
    put("a.json", "[1]".padEnd(bytes));
    linkSync(join(out, "a.json"), join(out, "b.txt"));
    linkSync(join(out, "a.json"), join(out, "c.json"));
    using tree = Tree.open(out);
    const looks = [vi.spyOn(tree, "hashFile"), vi.spyOn(tree, "chunks"), vi.spyOn(tree, "readFile")];
    const contract = ["a.json", "b.txt", "c.json"].map((path) => ({ path, description: "d" }));
    const artifacts = await verifyContract(parseContract(contract), tree, fresh);
    expect(artifacts.map(({ mime }) => mime)).toEqual(["application/json", "text/plain", "application/json"]);
    expect(new Set(artifacts.map(({ sha256 }) => sha256))).toEqual(new Set([hash("sha256", "[1]".padEnd(bytes))]));
    expect(looks.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBe(opened);
  });

  it("judges several files by one schema, each with what is wrong with it", async () => {
    for (const [name, content] of Object.entries({ a: "[1]", b: '"x"', c: "{}" })) put(`${name}.json`, content);
    using tree = Tree.open(out);
    const schema = { type: ["array", "string"], maxLength: 0 };
    const contract = ["a", "b", "c"].map((name) => ({ path: `${name}.json`, description: "d", schema: { ...schema } }));
    for (let run = 0; run < 2; run++) {
      const artifacts = await verifyContract(parseContract(contract), tree, fresh);
      expect(artifacts.map(({ message }) => message)).toEqual([
        undefined,
        expect.stringContaining("must NOT have more than 0 characters"),
        expect.stringContaining("must be array,string"),
      ]);
    }
  });

  it("does not read what is not kept", async () => {
    put("holes", "x");
    const origin = { ...fresh, leftOut: () => "file with 9 bytes of holes" };
    expect(await verifyOne({ path: "holes" }, origin)).toMatchObject({
      ...{ status: "invalid", code: "too_large", message: "is not kept: file with 9 bytes of holes", sha256: null },
    });
  });

  it("does not read a giant made of holes", async () => {
    put("sparse", "x");
    truncateSync(join(out, "sparse"), 2 ** 43);
    expect(await verifyOne({ path: "sparse" })).toMatchObject({
      status: "invalid",
      code: "too_large",
      bytes: 2 ** 43,
      sha256: null,
    });
  });

  it("reads a file whose permissions were taken", async () => {
    put("locked/file", "x");
    execFileSync("chmod", ["000", join(out, "locked/file"), join(out, "locked")]);
    expect(await verifyOne({ path: "locked/file" })).toMatchObject({ status: "satisfied", bytes: 1 });
  });
});

describe("media types", () => {
  it.each<[string, string | Buffer, string]>([
    ["a.txt", "text", "text/plain"],
    ["a", "text", "text/plain"],
    ["a.md", "# x", "text/markdown"],
    ["a.csv", "a,b", "text/csv"],
    ["a.json", "{}", "application/json"],
    ["a.html", "<p>", "text/html"],
    ["a.svg", '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"],
    ["a.svg", "<svg/>", "image/svg+xml"],
    ["a.png", PNG, "image/png"],
    ["a.txt", PNG, "image/png"],
    ["a.png", "no picture", "text/plain"],
    ["a.ts", "let x", "text/plain"],
    ["a.pdf", "%PDF-1.4\n", "application/pdf"],
    ["a.txt", "BMI results", "text/plain"],
    ["a.txt", "MZ is how it begins", "text/plain"],
    ["a.txt", "with\0NUL", "application/octet-stream"],
    ["a.txt", Buffer.from([0x67, 0xfc, 0x6e]), "application/octet-stream"],
    ["a.txt", Buffer.from("\ufeffnot music", "utf16le"), "application/octet-stream"],
    ["a.txt", `${"ü".repeat(700_000)}`, "text/plain"],
    ["a.txt", `${"x".repeat(3_000_000)}\0`, "application/octet-stream"],
    ["a.gz", Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), "application/gzip"],
  ])("%s is what its content is", async (path, content, mime) => {
    put(path, content);
    expect((await verifyOne({ path })).mime).toBe(mime);
  });

  it("compares with what is promised, under every name of a type", async () => {
    put("a.png", PNG);
    put("b.csv", "a,b");
    for (const [path, mime] of [
      ...[
        ["a.png", "image/png"],
        ["a.png", "IMAGE/PNG"],
        ["a.png", "image/*"],
        ["a.png", "image/x-png"],
      ],
      ...[
        ["b.csv", "text/csv"],
        ["b.csv", "text/csv; charset=utf-8"],
        ["b.csv", "text/*"],
        ["b.csv", "text/plain"],
      ],
    ]) {
      expect(await verifyOne({ path, mime })).toMatchObject({ status: "satisfied" });
    }
    expect(await verifyOne({ path: "b.csv", mime: "image/png" })).toMatchObject({
      ...{ status: "invalid", code: "wrong_type", message: "the content is text/csv, not image/png", mime: "text/csv" },
    });
    expect(await verifyOne({ path: "a.png", mime: "text/plain" })).toMatchObject({ code: "wrong_type" });
  });
});

describe("JSON Schema", () => {
  const schema = {
    ...{ type: "object", required: ["price"], additionalProperties: false },
    properties: { price: { type: "number", minimum: 0 }, when: { type: "string", format: "date" } },
  };
  const check = async (content: string | Buffer, by: unknown = schema) => {
    put("a.json", content);
    return await verifyOne({ path: "a.json", schema: by });
  };

  it("is met or not, and says where", async () => {
    expect(await check('{"price": 1}')).toMatchObject({ status: "satisfied" });
    expect(await check('\ufeff{"price": 1}')).toMatchObject({ status: "satisfied" });
    for (const [content, message] of [
      ["{}", /the document must have required property 'price'/],
      ['{"price": "1"}', /"\/price" must be number/],
      ['{"price": 1, "x": 2}', /additional properties \("x"\)/],
      ['{"price": 1, "when": "today"}', /"\/when" must match format "date"/],
      ["{price: 1}", /^is no JSON/],
      ['{"price": NaN}', /^is no JSON/],
    ] as const) {
      const artifact = await check(content);
      expect(artifact).toMatchObject({ status: "invalid", code: "schema_mismatch" });
      expect(artifact.message).toMatch(message);
    }
    expect((await check(Buffer.from([0x22, 0xff, 0x22]))).message).toMatch(/not UTF-8/);
  });

  it("quotes nothing of what is no JSON: a part of a secret is not known for one", async () => {
    const secret = "Sup3rS3cretValue99";
    for (const [content, message] of [
      [`{"n":${secret}}`, "is no JSON: Unexpected token 'S'"],
      [`{"a":\n"${secret}","n":\n${secret}}`, "is no JSON: Unexpected token 'S' on line 3"],
      [`[1,\n"${secret}",]`, "is no JSON: Unexpected token ']' on line 2"],
      [`{"${secret}" 1}`, expect.stringMatching(/^is no JSON: Expected ':' after property name in JSON at position/)],
    ] as const) {
      expect((await check(content)).message).toEqual(message);
    }
  });

  it("ends a pattern that would run for ever", async () => {
    const artifact = await check(JSON.stringify(`${"a".repeat(60)}!`), { type: "string", pattern: "^(a+)+$" });
    expect(artifact).toMatchObject({ status: "invalid", code: "schema_mismatch" });
    expect(artifact.message).toMatch(/could not be checked within/);
  });

  it("ends a contract of such patterns", async () => {
    const names = Array.from({ length: 6 }, (_, index) => `slow${index}.json`);
    for (const name of names) put(name, JSON.stringify(`${"a".repeat(60)}!`));
    const schema = { type: "string", pattern: "^(a+)+$" };
    const artifacts = await verify(names.map((path) => ({ path, description: "d", schema })));
    expect(artifacts.map(({ status }) => status)).toEqual(names.map(() => "invalid"));
    expect(artifacts.at(-1)?.message).toMatch(/took too long together/);
  });

  it("survives a document without a bottom", async () => {
    const list = { $defs: { l: { type: "array", items: { $ref: "#/$defs/l" } } }, $ref: "#/$defs/l" };
    const artifact = await check("[".repeat(1_000_000) + "]".repeat(1_000_000), list);
    expect(artifact).toMatchObject({
      status: "invalid",
      code: "schema_mismatch",
      message: "is nested too deeply to be checked",
    });
  });

  it("does not parse what is too large", async () => {
    const artifact = await check(`"${"x".repeat(16 * 1024 * 1024)}"`, true);
    expect(artifact).toMatchObject({ status: "invalid", code: "too_large" });
    expect(artifact.message).toMatch(/up to 16777216 bytes/);
  });

  it("is not fooled by names of prototypes", async () => {
    const own = { type: "object", required: ["constructor", "__proto__"] };
    expect(await check("{}", own)).toMatchObject({ status: "invalid" });
    expect(await check('{"constructor": 1, "__proto__": 2}', own)).toMatchObject({ status: "satisfied" });
  });

  it("lets no name in a file put line breaks or escapes into a message", async () => {
    const { message } = await check(JSON.stringify({ price: 1, "a\n\x1b[31m\u202e": 2 }));
    expect(message).not.toMatch(/\p{C}/u);
  });
});

describe("CSV columns", () => {
  const check = async (content: string | Buffer, columns: string[] = ["a", "b"], path = "x.csv") => {
    put(path, content);
    return await verifyOne({ path, columns });
  };

  it.each([
    ["plain", "a,b\n1,2\n"],
    ["more columns in another order", "b,c,a\n1,2,3\n"],
    ["quotes, line breaks and commas inside", 'a,"b"\n"x, ""y""\nz",2\n'],
    ["a byte order mark and \\r\\n", "\ufeffa,b\r\n1,2\r\n"],
    ["empty lines", "\na,b\n\n1,2\n\n"],
    ["semicolons", "a;b\n1;2\n"],
    ["only a header", "a,b"],
  ])("are there: %s", async (_, content) => expect(await check(content)).toMatchObject({ status: "satisfied" }));

  it("are there in a file with tabs", async () => {
    expect(await check("a\tb,\n1\t2\n", ["a", "b,"], "x.tsv")).toMatchObject({ status: "satisfied" });
  });

  it.each<[string, string | Buffer, RegExp]>([
    ["one is missing", "a,c\n1,2\n", /lacks the column b; it has a, c/],
    ["two are missing", "x\n1\n", /lacks the columns a, b; it has x/],
    ["a column of another case", "A,b\n1,2\n", /lacks the column a/],
    ["a row of another length", "a,b\n1,2\n3\n", /does not parse as CSV: .*line 3/i],
    ["an open quote", 'a,b\n"1,2\n', /does not parse as CSV/],
    ["no text", Buffer.from([0x61, 0x2c, 0xff]), /no text in UTF-8/],
    ["blank", "\n\n", /it has none/],
    ["a record without end", `a,b\n"${"x".repeat(2_000_000)}`, /does not parse as CSV/],
  ])("are missing: %s", async (_, content, message) => {
    const artifact = await check(content);
    expect(artifact).toMatchObject({ status: "invalid", code: "columns_missing" });
    expect(artifact.message).toMatch(message);
  });

  it("parses to the last row of a large file", async () => {
    const rows = "1,2\n".repeat(500_000);
    expect(await check(`a,b\n${rows}`)).toMatchObject({ status: "satisfied" });
    expect(await check(`a,b\n${rows}1,2,3\n`)).toMatchObject({ status: "invalid" });
  });
});

describe("summariseUnmet", () => {
  it("says what is not as promised, and nothing when all is", async () => {
    put("ok", "x");
    put("data.csv", "x\n1\n");
    put("none", "");
    const artifacts = await verify([
      ...[{ path: "ok" }, { path: "missing-output.txt" }, { path: "data.csv", columns: ["y"] }, { path: "none" }],
      { path: "extra", optional: true },
    ]);
    expect(summariseUnmet(artifacts)).toBe(
      "3 of 5 artifacts are not as promised: missing-output.txt is missing; data.csv: lacks the column y; it has x; none is empty.",
    );
    expect(contractMet(artifacts)).toBe(false);
    expect(summariseUnmet(artifacts.slice(0, 1))).toBeNull();
    expect(summariseUnmet(artifacts.slice(1, 2))).toBe(
      "1 of 1 artifact is not as promised: missing-output.txt is missing.",
    );
    const many = Array.from({ length: 30 }, (_, i) => ({ path: `f${i}` }));
    expect(summariseUnmet(await verify(many))).toMatch(/f9 is missing; and 20 more\.$/);
  });
});
