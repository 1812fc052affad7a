// Layers are left out by code that says so, and by nothing that an operator, a config or the environment says.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { projectFiles } from "./project-files.js";

const NOT_FOR = ["src/cli/", "src/settings/", "src/bundles/", "src/records/", "src/index.ts"];
const SEAM = /createSeamedRuntime|harness\/seams|sandbox\/layers|\bSeams\b|\bwithout:/;

const sources = projectFiles("src", ".ts").map((path) => ({ path, text: readFileSync(path, "utf8") }));

describe("the seam by which a layer is left out", () => {
  it("is known where it belongs", () => {
    const knowing = sources.filter(({ text }) => SEAM.test(text)).map(({ path }) => path);
    expect(knowing).toEqual(expect.arrayContaining(["src/harness/runtime.ts", "src/attack/run-attacks.ts"]));
  });

  it("is mentioned by no reader of flags, settings or bundles, and not by the library's entrance", () => {
    const mentions = sources.filter(
      ({ path, text }) => NOT_FOR.some((prefix) => path.startsWith(prefix)) && SEAM.test(text),
    );
    expect(mentions.map(({ path }) => path)).toEqual([]);
  });

  it("gets nothing from the command that attacks", () => {
    const calls = sources
      .filter(({ path }) => path.startsWith("src/cli/"))
      .flatMap(({ text }) => text.match(/runAttacks\([^)]*\)/g) ?? []);
    expect(calls).toEqual(["runAttacks(options)"]);
  });

  it("is no option of a runtime", () => {
    const options = readFileSync("src/harness/options.ts", "utf8");
    expect(options).not.toMatch(/seam|\blayers?\b/i);
  });
});
