import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { builtinBundleDir } from "../../src/bundles/builtin.js";
import { type Bundle, checkBundle, defineBundle, followups, loadBundle } from "../../src/bundles/bundle.js";
import { chooseScenario } from "../../src/bundles/choose.js";
import { tempFiles } from "../support/temp.js";

const LABELS = [
  "Happy path (writes file + note)",
  "Runtime timeout (no progress)",
  "Runtime timeout (with progress)",
  "Program crash (exception)",
  "Program partial success",
  "Program MemoryError",
  "Program recursion error",
  "Program timeout (sleep)",
  "Program infinite loop",
  "Program output then crash (print)",
  "Program logging INFO+ERROR",
  "Program writes file then crashes",
  "Side-effects (no contract)",
  "Other profile",
];
const SECONDS = [10, 3, 3, 10, 10, 10, 10, 3, 3, 10, 10, 10, 10, 180];

describe("the built-in bundle", () => {
  it("has the fourteen scenarios of the specification", async () => {
    const bundle = await loadBundle(builtinBundleDir());
    expect(followups(bundle)).toEqual(LABELS.map((label, index) => ({ id: String(index), label })));
    expect(bundle.scenarios.map((scenario) => scenario.timeoutMs / 1000)).toEqual(SECONDS);
    expect(
      bundle.scenarios.filter((scenario) => scenario.mode === "side-effects").map((scenario) => scenario.id),
    ).toEqual(["12"]);
    expect(bundle.scenarios[4]?.contract("abc").map((entry) => entry.path)).toEqual([
      "turn_abc/files/hello-iso-runtime.txt",
      "turn_abc/files/missing-output.txt",
    ]);
    expect(bundle.scenarios[13]?.profile).toBe("docker");
  });

  it.each([
    ["", "0"],
    ["  ", "0"],
    ["0.", "0"],
    ["3", "3"],
    ["scenario 3", "3"],
    ["SCENARIO 3", "3"],
    ["scenario 10", "10"],
    ["#7", "7"],
    ["scenario#7", "7"],
    ["12. Side-effects (no contract)", "12"],
    ["1) first", "1"],
    ["1:", "1"],
    ["01", "1"],
    [" 5 ", "5"],
  ])("chooses from %j", async (text, id) => {
    expect(chooseScenario(await loadBundle(builtinBundleDir()), text).id).toBe(id);
  });

  it.each(["14", "scenario 99", "99999999999999999999", "dance", "1st", "-1", "scenario", "3x", "१"])(
    "refuses %j, repeats it and lists what there is",
    async (text) => {
      const bundle = await loadBundle(builtinBundleDir());
      expect(() => chooseScenario(bundle, text)).toThrow(expect.objectContaining({ code: "unknown_scenario" }));
      expect(() => chooseScenario(bundle, text)).toThrow(text);
      expect(() => chooseScenario(bundle, text)).toThrow("12. Side-effects");
    },
  );

  it("shows a long or dangerous text bounded and escaped", async () => {
    const bundle = await loadBundle(builtinBundleDir());
    expect(() => chooseScenario(bundle, "\u001b[31mred\n")).toThrow('There is no scenario "\\u001b[31mred\\n".');
    expect(() => chooseScenario(bundle, "x".repeat(1_000_000))).toThrow(/^.{200,2000}$/);
    expect(() => chooseScenario(bundle, `3x${" ".repeat(100_000)}`)).toThrow("There is no scenario");
    expect(() => chooseScenario(defineBundle({ name: "bare" }), "")).toThrow('The bundle "bare" has none.');
  });

  it("never chooses by a part of a number, and never throws anything else", async () => {
    const bundle = await loadBundle(builtinBundleDir());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat().map((n) => `scenario ${n}`),
        ),
        (text) => {
          try {
            const { id } = chooseScenario(bundle, text);
            expect(text.trim() === "" ? "0" : String(Number(/\d+/.exec(text)?.[0]))).toBe(id);
          } catch (error) {
            expect(error).toMatchObject({ code: "unknown_scenario" });
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("a bundle of one's own", () => {
  it("is found by its names, or written in code", async () => {
    const dir = tempFiles({
      "scenarios/7-mine.py": "# label: Mine\n# contract: a/{turn}.txt = a = b\n# profile: fast\nprint(1)\n",
      "profiles.json": '{"fast": {}}',
    });
    const bundle = await loadBundle(dir);
    expect(bundle.scenarios[0]).toMatchObject({
      id: "7",
      label: "Mine",
      timeoutMs: 60_000,
      profile: "fast",
      mode: "contract",
    });
    expect(bundle.scenarios[0]?.contract("t")).toEqual([{ path: "a/t.txt", description: "a = b" }]);
    expect(defineBundle({ name: "coded" })).toEqual({ name: "coded", tools: null, scenarios: [], profiles: {} });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["is empty", { "x.txt": "" }, /no bundle/],
    ["has a scenario without number", { "scenarios/mine.py": "# label: x" }, /mine\.py: .*name/],
    ["has a scenario without label", { "scenarios/1-mine.py": "print(1)" }, /1-mine\.py: .*label/],
    ["has an unknown key", { "scenarios/1-mine.py": "# label: x\n# speed: 3" }, /speed/],
    ["has a key twice", { "scenarios/1-mine.py": "# label: x\n# label: y" }, /"label" twice/],
    ["has a key without value", { "scenarios/1-mine.py": "# label: x\n# profile:" }, /nothing after "profile:"/],
    ["has a folder for a scenario", { "scenarios/1-mine.py/x": "" }, /1-mine\.py: .*cannot be read/],
    ["has a file for its scenarios", { scenarios: "" }, /scenarios: .*cannot be read/],
    ["has a timeout of words", { "scenarios/1-mine.py": "# label: x\n# timeout: soon" }, /timeout/],
    ["has a contract without =", { "scenarios/1-mine.py": "# label: x\n# contract: a.txt" }, /PATH = DESCRIPTION/],
    ["has a number twice", { "scenarios/1-a.py": "# label: x", "scenarios/01-b.py": "# label: y" }, /number 1/],
    ["has profiles that are no JSON", { "profiles.json": "{" }, /profiles\.json: .*JSON/],
    ["has profiles in a list", { "profiles.json": "[]" }, /profiles\.json/],
  ])("that %s is one clear error", async (_name, files, sentence) => {
    await expect(loadBundle(tempFiles(files))).rejects.toMatchObject({
      code: "bundle_invalid",
      message: expect.stringMatching(sentence),
    });
  });

  it("may have been saved with a byte order mark and Windows line ends, beside an editor's hidden files", async () => {
    const dir = tempFiles({
      "scenarios/1-mine.py": "\uFEFF# label: Mine\r\n# timeout: 1.1\r\nprint(1)\r\n",
      "scenarios/.#1-mine.py": "",
    });
    const { scenarios } = await loadBundle(dir);
    expect(scenarios).toMatchObject([{ label: "Mine", timeoutMs: 1100, code: expect.stringMatching(/^# label/) }]);
  });

  it("that is not UTF-8 says so", async () => {
    const dir = tempFiles({ "scenarios/1-mine.py": "# label: x" });
    writeFileSync(join(dir, "scenarios/1-mine.py"), Buffer.from("# label: \xe9", "latin1"));
    await expect(loadBundle(dir)).rejects.toMatchObject({
      code: "bundle_invalid",
      message: expect.stringMatching(/1-mine\.py: .*UTF-8/),
    });
  });

  it.each<[string, object]>([
    ["bundle: name is missing", {}],
    ["own: scenarios must be a list, not a text", { name: "own", scenarios: "x", profiles: {} }],
    ["own: scenarios.0.id must be a number", { name: "own", scenarios: [{ id: "first" }], profiles: {} }],
    ["own: profiles must be an object, not a list", { name: "own", scenarios: [], profiles: [] }],
  ])("that code made wrong says where: %s", (sentence, bundle) => {
    expect(() => checkBundle(bundle as Bundle)).toThrow(sentence);
  });

  it("that is not there says so", async () => {
    await expect(loadBundle("/nowhere/bundle")).rejects.toMatchObject({ code: "bundle_invalid" });
  });
});
