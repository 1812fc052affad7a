// Each threat of docs/hostile-suite.md is met: by an attack that names it, or by a test that the table names.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ENDINGS } from "../e2e/hostile/endings.js";
import { ESCAPES } from "../e2e/hostile/escape.js";
import { PROTOCOL } from "../e2e/hostile/protocol.js";
import { RESOURCES } from "../e2e/hostile/resources.js";
import { SECRETS } from "../e2e/hostile/secrets.js";

const ATTACKS = [...ENDINGS, ...ESCAPES, ...PROTOCOL, ...RESOURCES, ...SECRETS];
const MET = new Set(ATTACKS.flatMap(({ meets }) => meets));
const ROWS = [...readFileSync("docs/hostile-suite.md", "utf8").matchAll(/^\| (\d+) \| ([^|]+) \|([^|]*)\|$/gm)].map(
  ([, number, threat, elsewhere]) => ({ number: Number(number), threat, elsewhere: elsewhere?.trim() ?? "" }),
);

describe("the hostile suite", () => {
  it("has a table of all threats, in order", () => {
    expect(ROWS.map(({ number }) => number)).toEqual(Array.from({ length: 52 }, (_, index) => index + 1));
  });

  it.each(ROWS)("meets no. $number: $threat", ({ number, elsewhere }) => {
    if (elsewhere === "") {
      expect([...MET]).toContain(number);
      return;
    }
    const [file = "", title = ""] = elsewhere.split(": ");
    expect(readFileSync(file, "utf8")).toContain(title);
  });

  it("names each attack once", () => {
    const names = ATTACKS.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.length).toBeGreaterThanOrEqual(200);
  });
});
