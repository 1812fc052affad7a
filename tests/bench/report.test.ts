// Percentiles are samples, ratios are those of the same run, and what makes figures doubtful is said.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeReport } from "../../src/bench/report.js";
import { percentile, summarize } from "../../src/bench/statistics.js";
import { BARE, machine, report, turn } from "./reports.js";

const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 });

describe("a percentile", () => {
  it("is the smallest sample that so many do not exceed", () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.001, max: 1, noNaN: true }), (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const found = percentile(sorted, share);
        const upTo = (limit: number) => sorted.filter((value) => value <= limit).length;
        expect(sorted).toContain(found);
        expect(upTo(found)).toBeGreaterThanOrEqual(share * sorted.length);
        const smaller = sorted.filter((value) => value < found).at(-1);
        if (smaller !== undefined) expect(upTo(smaller)).toBeLessThan(share * sorted.length);
      }),
    );
  });

  it.each([
    [0.5, 3],
    [0.95, 5],
    [0.2, 1],
    [0.21, 2],
    [1, 5],
  ])("%d of five is number %d", (share, expected) => {
    expect(percentile([1, 2, 3, 4, 5], share)).toBe(expected);
  });

  it("of nothing there is none", () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
    expect(() => summarize([])).toThrow(RangeError);
  });

  it("does not depend on the order of the samples, and changes none", () => {
    const given = [3, 1, 2];
    expect(summarize(given)).toEqual({ samples: 3, min: 1, p50: 2, p95: 3, p99: 3, max: 3 });
    expect(given).toEqual([3, 1, 2]);
  });
});

describe("a report", () => {
  it("divides each figure by the bare interpreter's, as many at once", () => {
    const about = { program: "", rounds: 1, machine: machine(), load: { before: 0, after: 0 }, skipped: [] };
    const side = { backend: "x", start: "warm", files: 0 } as const;
    const { rows } = makeReport(about, [
      { key: BARE, turns: [turn([10], 100)] },
      { key: { ...BARE, concurrency: 4 }, turns: [turn([40], 200)] },
      { key: { ...side, concurrency: 1 }, turns: [turn([5], 50)] },
      { key: { ...side, concurrency: 4 }, turns: [turn([10], 100)] },
    ]);
    expect(rows.map(({ toBare }) => toBare)).toEqual([
      ...[null, null],
      { p50: 0.5, p95: 0.5, p99: 0.5, runsPerSecond: 0.5 },
      { p50: 0.25, p95: 0.25, p99: 0.25, runsPerSecond: 0.5 },
    ]);
  });

  const about = (words: RegExp) => expect.stringMatching(words);

  it("warns of a busy machine", () => {
    expect(report({ load: 1.5 }).warnings).toContainEqual(about(/busy.*load 1\.5 on 2 processors/));
    expect(report({ load: 0.1 }).warnings).not.toContainEqual(about(/busy/));
  });

  it("warns of a bare interpreter that is unsteady", () => {
    const parts = { program: "", rounds: 1, machine: machine(), load: { before: 0, after: 0 }, skipped: [] };
    const { warnings } = makeReport(parts, [{ key: BARE, turns: [turn([10, 10, 10, 25])] }]);
    expect(warnings).toContainEqual(about(/unsteady/));
  });

  it("counts what is left out, and says why", () => {
    const { rows, warnings } = report({ turns: [turn([5], 1, ["no sandbox was ready", "no sandbox was ready"])] });
    expect(rows[1]?.leftOut).toEqual({ count: 2, reasons: ["no sandbox was ready"] });
    expect(warnings).toContainEqual(about(/^2 runs are not among the latencies: no sandbox was ready/));
  });

  it("says what a p99 of few samples is, and nothing of many", () => {
    const many = Array.from({ length: 100 }, () => 5);
    const rare = about(/fewer than 100 samples/);
    expect(report().warnings).toContainEqual(rare);
    const parts = { program: "", rounds: 1, machine: machine(), load: { before: 0, after: 0 }, skipped: [] };
    expect(makeReport(parts, [{ key: BARE, turns: [turn(many)] }]).warnings).toEqual([]);
  });
});
