// How the outcomes of CPython's own tests are compared, and that every listed difference has its reason.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { differences, expectedBy } from "../../scripts/python-inside.mjs";

const list = z
  .array(z.strictObject({ test: z.string(), outside: z.string(), inside: z.string(), reason: z.string().min(40) }))
  .parse(JSON.parse(readFileSync("tests/python-inside/differences.json", "utf8")));

describe("outcomes", () => {
  it("differ where they are others, or where one side has no such test", () => {
    const found = differences({ a: "passed", b: "passed", c: "passed" }, { a: "passed", b: "failed", d: "skipped" });
    expect(found).toEqual([
      { test: "b", outside: "passed", inside: "failed" },
      { test: "c", outside: "passed", inside: null },
      { test: "d", outside: null, inside: "skipped" },
    ]);
  });

  it("are expected by name and by both outcomes", () => {
    const rows = [{ test: "test.a.B*.t", outside: "passed", inside: "failed", reason: "" }];
    expect(expectedBy(rows, { test: "test.a.Bee.t", outside: "passed", inside: "failed" })).toBe(rows[0]);
    for (const other of [
      { test: "test.a.Bee.t2", outside: "passed", inside: "failed" },
      { test: "testxa.Bee.t", outside: "passed", inside: "failed" },
      { test: "test.a.Bee.t", outside: "passed", inside: "skipped" },
      { test: "test.a.Bee.t", outside: "failed", inside: "failed" },
    ])
      expect(expectedBy(rows, other)).toBeUndefined();
  });
});

it("the page lists every difference", () => {
  const page = readFileSync("docs/python-inside.md", "utf8");
  expect(
    list.filter(({ test }) => !page.includes(`\`${test.replace(/^test\./, "")}\``)).map(({ test }) => test),
  ).toEqual([]);
});
