// What is drawn of a report: as wide as it may be, safe whatever a name or a reason says, and in need of nothing else.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../src/bench/html.js";
import { escapeXml, renderSvg } from "../../src/bench/svg.js";
import { drawBar, renderBench } from "../../src/cli/bench-bars.js";
import { PLAIN, styleFor } from "../../src/cli/report/style.js";
import { report } from "./reports.js";

const HOSTILE = `</text></svg><script>alert("1")</script>&amp;'\u001b[31m`;
const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

describe("text in a picture", () => {
  it("is what was given, and opens nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const escaped = escapeXml(text);
        expect(escaped).not.toMatch(/[<>"']/);
        const back = escaped.replace(/&(#?\w+);/g, (_, name: string) => ENTITIES[name] ?? "");
        expect(back).toBe(text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd"));
      }),
    );
  });

  it("has no half of a surrogate pair, which no file can hold", () => {
    expect(escapeXml("a\ud800b")).toBe("a\ufffdb");
  });

  it.each([
    ["SVG", renderSvg],
    ["HTML", renderHtml],
  ])("is escaped in %s, wherever it stands", (_, render) => {
    const drawn = render(report({ backend: HOSTILE, reason: HOSTILE, load: 9 }));
    expect(drawn).not.toContain("<script");
    expect(drawn).not.toContain("\u001b");
    expect(drawn.match(/<\/svg>/g)).toHaveLength(1);
    expect(drawn).toContain("&lt;script&gt;");
  });

  it.each([
    ["SVG", renderSvg],
    ["HTML", renderHtml],
  ])("is all there is: %s loads nothing, and is there in light and in dark", (_, render) => {
    const drawn = render(report());
    expect(drawn.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
      /\b(src|href)=|url\(|@import|https?:/,
    );
    expect(drawn).toContain("prefers-color-scheme: dark");
    expect(drawn).toContain("bubblewrap, warm, 1,000 files");
    expect(drawn).toContain("5.00 ms");
    expect(drawn).toContain("0.50 x");
  });
});

describe("a bar", () => {
  const amount = fc.double({ min: 0, max: 1e6, noNaN: true });

  it("is as wide as it was asked to be, and never nothing", () => {
    fc.assert(
      fc.property(amount, amount, fc.integer({ min: 8, max: 100 }), (value, more, columns) => {
        const most = Math.max(value + more, 1e-9);
        const bar = drawBar(value, value + more, most, columns);
        expect(bar).toHaveLength(columns);
        expect(bar).toMatch(/^█*[▏▎▍▌▋▊▉]?░* *$/);
        expect(bar.trim()).not.toBe("");
      }),
    );
  });

  it("is full for the largest and half for half of it", () => {
    expect(drawBar(10, 10, 10, 8)).toBe("████████");
    expect(drawBar(5, 10, 10, 8)).toBe("████░░░░");
    expect(drawBar(0.4, 0.4, 10, 8)).toBe("▍       ");
  });
});

describe("the picture in a terminal", () => {
  it.each([1, 40, 60, 80, 120, 500])("fits into %d columns, or the least that there must be", (columns) => {
    const width = Math.min(120, Math.max(40, columns));
    const text = renderBench(report(), PLAIN, columns);
    const bars = text.split("\n").filter((line) => /[█▏▎▍▌▋▊▉]/.test(line));
    expect(bars).toHaveLength(2);
    for (const line of bars) expect(line.length).toBeLessThanOrEqual(width);
  });

  it("has colour only where it may", () => {
    const terminal = { isTTY: true };
    expect(renderBench(report(), styleFor(terminal, true, {}), 80)).toContain("\u001b[32m");
    expect(renderBench(report(), styleFor(terminal, true, { NO_COLOR: "1" }), 80)).not.toContain("\u001b");
  });

  it("shows every figure with its ratio, the machine, and what was left out", () => {
    const text = renderBench(report({ reason: "no engine" }), PLAIN, 100);
    for (const part of ["5.00 ms 0.50 x", "p95 6.00 ms 0.50 x", "p99 6.00 ms 0.50 x", "40.0 runs/s 2.00 x"])
      expect(text).toContain(part);
    expect(text).toContain("2 processors (A processor), 8 GiB, Linux 6.1.0 x64");
    expect(text).toContain("other was left out: no engine");
  });

  it("lets no escape sequence of an engine's words through", () => {
    expect(renderBench(report({ backend: HOSTILE, reason: HOSTILE }), PLAIN, 80)).not.toContain("\u001b");
  });
});
