// The guard against regressions: a figure says how sure it is, what moved is told from noise, and no page has a figure that is not stored.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { difference, isMet, moved, plain, ratio } from "../../bench/figures.mjs";
import { floorsOf } from "../../bench/floors.mjs";
import { complaints, pages, readResults, renderAll, report, withBlock } from "../../bench/results.mjs";

const samples = fc.array(fc.double({ min: 0.1, max: 1000, noNaN: true }), { minLength: 1, maxLength: 60 });

describe("the pages", () => {
  it.each(Object.entries(pages()))("%s holds exactly what the stored results render to", (path, text) => {
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  it("hold every stored figure", () => {
    const stored = Object.values(readResults()).flatMap((rows) =>
      Object.values(rows as Record<string, { title: string }>),
    );
    for (const { title } of stored) expect(pages()["docs/performance.md"]).toContain(title);
  });
});

describe("a block of a page", () => {
  const page = "before\n<!-- bench: written by `npm run bench -- --write` -->\nold\n<!-- /bench -->\nafter\n";

  it("is replaced, and nothing beside it", () => {
    const once = withBlock(page, "new");
    expect(once).toBe(page.replace("old", "new"));
    expect(withBlock(once, "new")).toBe(once);
  });

  it("must be there", () => {
    expect(() => withBlock("no block", "new")).toThrow(/There is no block/);
    expect(() => withBlock(page.replace("/bench", "bench"), "new")).toThrow(/There is no block/);
  });
});

describe("a floor", () => {
  const rows = (now: number) => ({
    "warm/zygote": { figures: [{ name: "p50", unit: "x", value: now, goal: { most: 0.5 } }] },
    "sustained/zygote": { figures: [{ name: "runs/s", unit: "x", value: now, goal: { least: 1.2 } }] },
    floor: {
      figures: [
        { name: "both of them, forked before: wall p50", value: 0.1 },
        { name: "first process and a program that prints: processor time", value: 0.3 },
        { name: "the files of a run: wall p50", value: 0.2 },
        { name: "the files of a run: processor time", value: 0.1 },
      ],
    },
  });

  it("stands beside a goal that is not reached, made of the figures it names", () => {
    const [warm, sustained] = floorsOf(rows(0.9));
    expect(warm).toMatchObject({ row: "warm/zygote", value: 0.9, goal: { most: 0.5 } });
    expect(warm?.floor).toBeCloseTo(0.3);
    expect(sustained).toMatchObject({ row: "sustained/zygote", floor: 2.5 });
  });

  it("may be made of several rows' figures", () => {
    const figures = [{ name: "p50", unit: "x", value: 15, goal: { least: 30 } }];
    const container = { "docker/docker": { figures }, "warm/docker": { figures: [{ ...figures[0], value: 1.2 }] } };
    const found = floorsOf({ ...rows(0.4), ...container }).find(({ row }) => row === "docker/docker");
    expect(found?.floor).toBeCloseTo(60);
    expect(floorsOf({ ...rows(0.4), "docker/docker": { figures } }).map(({ row }) => row)).toEqual([
      "sustained/zygote",
    ]);
  });

  it("is left out where the goal is reached, and where a part of it was not measured", () => {
    expect(floorsOf(rows(0.4)).map(({ row }) => row)).toEqual(["sustained/zygote"]);
    expect(floorsOf({ ...rows(0.9), floor: { figures: [] } })).toEqual([]);
    expect(floorsOf({})).toEqual([]);
  });
});

describe("a figure", () => {
  it("has a range that the same samples give again", () => {
    fc.assert(
      fc.property(samples, samples, (ours, theirs) => {
        for (const make of [
          () => ratio("r", ours, theirs),
          () => plain("p", "ms", ours),
          () => difference("d", "ms", ours, theirs),
        ]) {
          const figure = make();
          expect(figure.low).toBeLessThanOrEqual(figure.high);
          expect(make()).toEqual(figure);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is of medians, or of the share that was asked for", () => {
    const [ours, theirs] = [
      [3, 1, 2],
      [10, 30, 20],
    ];
    expect(ratio("r", ours, theirs).value).toBe(0.1);
    expect(ratio("r", ours, theirs, null, 1).value).toBe(0.15);
    expect(difference("d", "ms", theirs, ours).value).toBe(18);
    expect(plain("p", "ms", ours).value).toBe(2);
  });

  it("of no samples there is none", () => {
    expect(() => ratio("r", [], [1])).toThrow(/r: no samples/);
  });

  it.each([
    [{ most: 2 }, 2, true],
    [{ most: 2 }, 2.1, false],
    [{ least: 2 }, 2, true],
    [{ least: 2 }, 1.9, false],
    [null, 1, null],
  ])("meets the goal %j with %d: %s", (goal, value, met) => {
    expect(isMet({ value, goal })).toBe(met);
  });
});

const figure = (value: number, spread: number, goal: object | null = { most: 1 }) => ({
  ...{ name: "p50", unit: "x", value, low: value - spread, high: value + spread, samples: 9, goal },
});

describe("what moved", () => {
  it.each([
    ["same", "within the noise of both", figure(1, 0.5), figure(1.6, 0.5)],
    ["same", "by less than a tenth", figure(1, 0.01), figure(1.09, 0.01)],
    ["worse", "up, where little is good", figure(1, 0.01), figure(1.5, 0.01)],
    ["better", "down, where little is good", figure(1, 0.01), figure(0.5, 0.01)],
    ["better", "up, where much is good", figure(1, 0.01, { least: 1 }), figure(1.5, 0.01, { least: 1 })],
    ["worse", "down, where much is good", figure(1, 0.01, { least: 1 }), figure(0.5, 0.01, { least: 1 })],
    ["worse", "from below nought", figure(-1, 0.01), figure(1, 0.01)],
  ])("is %s: %s", (expected, _, before, now) => {
    expect(moved(before, now)).toBe(expected);
  });

  const row = (value: number, size: object = {}) => ({
    title: "a row",
    size,
    detail: [],
    figures: [figure(value, 0.01)],
  });

  it("is printed beside what was accepted, and complained of where it is worse", () => {
    expect(report("warm/x", row(2), row(1))).toMatch(/✗ p50: 2\.00 x .*accepted 1\.00 x: WORSE/);
    expect(complaints("warm/x", row(2), row(1))).toEqual(["warm/x, p50: worse than what was accepted"]);
    expect(report("warm/x", row(0.5), row(1))).toMatch(/✓ .*BETTER/);
    expect(complaints("warm/x", row(0.5), row(1))).toEqual([]);
  });

  it("is nothing where nothing was accepted, or a measurement of another size", () => {
    expect(complaints("warm/x", row(2), undefined)).toEqual([]);
    expect(complaints("idle/x", row(2, { idleSeconds: 10 }), row(1, { idleSeconds: 600 }))).toEqual([]);
  });

  it("is not all: a promise that is not kept is complained of as well", () => {
    const promised = { ...row(2), figures: [{ ...figure(2, 0.01), promised: true }] };
    expect(complaints("layers/x", promised, undefined)).toEqual(["layers/x, p50: more than is promised"]);
  });
});

describe("the table", () => {
  it("says what a goal is and whether it is reached", () => {
    const machine = { cpu: "A processor", kernel: "6.1", node: "v20", python: "Python 3.11", load: 0.1 };
    const rows = {
      "warm/x": { title: "warm", size: {}, rounds: 60, machine, detail: ["bare 10 ms"], figures: [figure(2, 0.5)] },
    };
    const text = renderAll({ "linux-x64-2cpu": rows });
    expect(text).toContain("| `warm/x` | warm: p50 | 2.00 x | 1.50 – 2.50 | ≤ 1.00 x | **no** |");
    expect(text).toContain("- `warm/x` (load 0.1, 60 rounds): bare 10 ms");
    expect(renderAll({})).toBe("Nothing has been accepted yet.");
  });
});
