// How an attack is judged: by what was seen, whoever it points to; what a sandbox says of itself is read as what it is.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { judgeProbe, type Probe, type Seen } from "../../src/attack/attack.js";
import { ATTACKS } from "../../src/attack/attacks.js";
import { probeProgram, readAnswers } from "../../src/attack/probe-program.js";
import { makeReport } from "../../src/attack/report.js";
import { LIMITS, type LimitName } from "../../src/model/limits.js";
import { LAYERS } from "../../src/sandbox/layers.js";
import { ran } from "../cli/results.js";

const { sandbox } = ran({});
if (sandbox === null) throw new Error("the sample result has no sandbox");
const policy = sandbox.policy;
const unfiltered = { ...policy, isolation: { ...policy.isolation, seccomp: false } };

const PROBE: Probe = {
  ...{ kind: "probe", name: "open the vault", tries: "opens it", layers: ["proc-masks", "seccomp"] },
  ...{
    python: "return 1",
    holders: { EROFS: "proc-masks", EPERM: "seccomp", SIGSYS: "seccomp", absent: "proc-masks" },
  },
};

describe("a probe", () => {
  it.each<[Seen | undefined, string, string | null]>([
    [{ errno: "EROFS" }, "held", "proc-masks"],
    [{ errno: "EPERM" }, "held", "seccomp"],
    [{ errno: "EIO" }, "held", null],
    [{ absent: "no vault" }, "held", "proc-masks"],
    [{ signal: "SIGSYS" }, "held", "seccomp"],
    [{ signal: "SIGSEGV" }, "unclear", null],
    [{ failed: "NameError" }, "unclear", null],
    [{ done: null }, "got_through", null],
    [undefined, "unclear", null],
  ])("that saw %o is %s", (seen, outcome, heldBy) => {
    expect(judgeProbe(PROBE, seen, policy)).toMatchObject({ outcome, heldBy });
  });

  it("is held by no filter where none is on", () => {
    expect(judgeProbe(PROBE, { errno: "EPERM" }, unfiltered)).toMatchObject({ outcome: "held", heldBy: null });
  });

  it("that must not reach the kernel's code has got through with any other refusal", () => {
    const strict = { ...PROBE, strict: true };
    expect(judgeProbe(strict, { errno: "EFAULT" }, policy).outcome).toBe("got_through");
    expect(judgeProbe(strict, { errno: "EPERM" }, policy).outcome).toBe("held");
  });
});

describe("what the program of the probes printed", () => {
  it.each([
    ["", [undefined, undefined]],
    ["no JSON", [undefined, undefined]],
    ['{"0": {"errno": 5}}', [undefined, undefined]],
    ['{"0": {"errno": "EPERM", "done": 1}}', [undefined, undefined]],
    ['noise\n{"1": {"done": [1]}, "__proto__": {"done": 1}, "7": {"done": 1}}\n', [undefined, { done: [1] }]],
  ])("%j is told as what it is", (stdout, answers) => {
    expect(readAnswers(stdout, 2)).toEqual(answers);
  });

  it("carries its facts whatever characters they have", () => {
    const program = probeProgram([PROBE], { WORD: "a\"b\\c\n'\u2028" });
    expect(program).toContain(String.raw`WORD = json.loads("\"a\\\"b\\\\c\\n'`);
    expect(program).toContain("def probe_0():\n    return 1\n");
  });
});

describe("the attacks", () => {
  it("have names of their own, and a layer each", () => {
    expect(new Set(ATTACKS.map(({ name }) => name)).size).toBe(ATTACKS.length);
    for (const { name, layers } of ATTACKS) expect(layers.length, name).toBeGreaterThan(0);
  });

  it("cover every row of the table of limits", () => {
    const covered = new Set(ATTACKS.flatMap((attack) => (attack.kind === "run" && attack.limit ? [attack.limit] : [])));
    const rows = Object.keys(LIMITS) as LimitName[];
    expect(rows.filter((name) => !covered.has(name))).toEqual([]);
  });

  it("cover every layer but those that are seen by another one's absence", () => {
    const covered = new Set<string>(ATTACKS.flatMap(({ layers }) => layers));
    // The engine's filter stands behind ours; the proof is what lets an attack begin at all.
    expect(Object.keys(LAYERS).filter((layer) => !covered.has(layer))).toEqual(["engine-seccomp", "proof"]);
  });
});

describe("docs/attacks.md", () => {
  const page = readFileSync("docs/attacks.md", "utf8");

  it("has a row for every attack, as it is, and for every layer", () => {
    const rows = ATTACKS.map(({ name, tries, layers }) => `| ${name} | ${tries} | ${layers.map(code).join(", ")} |`);
    expect(rows.filter((row) => !page.includes(row))).toEqual([]);
    const about = Object.entries(LAYERS).map(([layer, words]) => `| ${code(layer)} | ${words} |`);
    expect(about.filter((row) => !page.includes(row))).toEqual([]);
  });

  it("counts them right", () => {
    expect(page).toContain(`runs ${ATTACKS.length} harmless attacks`);
  });
});

const code = (word: string) => `\`${word}\``;

describe("a report", () => {
  const verdict = (outcome: "held" | "got_through" | "unprotected" | "not_applicable" | "unclear") => ({
    ...{ name: outcome, tries: "", layers: [], heldBy: null, evidence: "", outcome },
  });

  it("is fine with what the policy says nobody holds, and with nothing that got through or cannot be judged", () => {
    const fine = makeReport(sandbox, "default", [verdict("held"), verdict("unprotected"), verdict("not_applicable")]);
    expect(fine).toMatchObject({
      ok: true,
      totals: { held: 1, got_through: 0, unprotected: 1, not_applicable: 1, unclear: 0 },
    });
    for (const bad of [verdict("got_through"), verdict("unclear")])
      expect(makeReport(sandbox, "default", [verdict("held"), bad]).ok).toBe(false);
  });
});
