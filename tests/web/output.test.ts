// Output on the page: colours that never become more than a style, lines that do not depend on how the text came, and bounds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PLAIN, pieces, plain, unfinished } from "../../web/src/live/ansi.js";
import { Lines, type Row } from "../../web/src/live/lines.js";
import { cutAtMatches } from "../../web/src/live/matches.js";
import { inSight, ROW_PX } from "../../web/src/live/window.js";

const ESC = "\u001b";
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ESC,
        `${ESC}[31m`,
        `${ESC}[0m`,
        `${ESC}[38;5;200m`,
        `${ESC}[48;2;1;2;3m`,
        `${ESC}]8;;http://x\u0007`,
      ),
      fc.constantFrom("\r", "\n", "\t", "\u0007", "\u009b31m", "<script>", "\u202e", `${ESC}[1`, `${ESC}]0;title`),
      fc.string({ maxLength: 6 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(""));

const rowsOf = (lines: Lines): Row[] => Array.from({ length: lines.length }, (_, index) => lines.at(index) as Row);

describe("colours", () => {
  it("are those of the terminal", () => {
    const { pieces: found, style } = pieces(`a${ESC}[1;31mb${ESC}[39mc${ESC}[38;5;196md${ESC}[48;2;1;2;3me${ESC}[m f`);
    expect(found).toEqual([
      { text: "a", style: {} },
      { text: "b", style: { bold: true, fg: 1 } },
      { text: "c", style: { bold: true } },
      { text: "d", style: { bold: true, fg: "#ff0000" } },
      { text: "e", style: { bold: true, fg: "#ff0000", bg: "#010203" } },
      { text: " f", style: {} },
    ]);
    expect(style).toEqual(PLAIN);
    expect(pieces("x", { fg: 12 }).pieces).toEqual([{ text: "x", style: { fg: 12 } }]);
    expect(pieces(`${ESC}[94mx`).style).toEqual({ fg: 12 });
  });

  it("are all that a program's commands to a terminal can make: no link, no title, no control, no colour of another form", () => {
    expect(plain(`${ESC}]8;;http://evil.example${ESC}\\click${ESC}]8;;${ESC}\\ ${ESC}[2Jx${ESC}]0;title\u0007y`)).toBe(
      "click xy",
    );
    expect(plain("a\u202eb")).toBe("a\ufffdb");
    fc.assert(
      fc.property(hostile, (text) => {
        const { pieces: found } = pieces(text);
        expect(found.map((piece) => piece.text).join("")).toBe(plain(text));
        expect(plain(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
        for (const { style } of found) {
          for (const colour of [style.fg, style.bg]) {
            if (typeof colour === "string") expect(colour).toMatch(/^#[0-9a-f]{6}$/);
            else if (colour !== undefined) expect(colour >= 0 && colour < 16).toBe(true);
          }
        }
      }),
    );
  });

  it("know a command of which the rest is to come", () => {
    for (const cut of [ESC, `${ESC}[`, `${ESC}[31`, `${ESC}]0;ti`]) expect(unfinished(`text${cut}`)).toBe(cut.length);
    for (const whole of ["text", `${ESC}[31m`, `${ESC}[31mtext`]) expect(unfinished(whole)).toBe(0);
  });
});

describe("a search", () => {
  it("finds what is there over any colours, and leaves the text as it is", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "A", " "), maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 6 }),
        fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 3 }),
        (texts, word) => {
          const pieces = texts.map((each, index) => ({ text: each, style: { fg: index } }));
          const parts = cutAtMatches(pieces, word);
          expect(parts.map((part) => part.text).join("")).toBe(texts.join(""));
          const marked = parts.map((part) => (part.isFound ? part.text.toLowerCase() : "|")).join("");
          const whole = texts.join("").toLowerCase();
          expect(marked.replaceAll("|", "").length).toBe((whole.split(word).length - 1) * word.length);
          for (const run of marked.split("|")) expect(run.replaceAll(word, "")).toBe("");
        },
      ),
    );
  });
});

describe("lines", () => {
  it("are the same in however many pieces the text came", () => {
    fc.assert(
      fc.property(hostile, fc.array(fc.nat(200), { maxLength: 6 }), (text, cuts) => {
        const whole = new Lines();
        whole.output("stdout", text, "t");
        const pieced = new Lines();
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        at.slice(1).forEach((end, index) => {
          pieced.output("stdout", text.slice(at[index], end), "t");
        });
        expect(rowsOf(pieced).map(({ text: of, style, number }) => ({ of, style, number }))).toEqual(
          rowsOf(whole).map(({ text: of, style, number }) => ({ of, style, number })),
        );
      }),
    );
  });

  it("keep streams apart, go on in the colour of the line before, and are written over after a carriage return", () => {
    const lines = new Lines();
    lines.output("stdout", `one ${ESC}[31mred\nstill`, "t1");
    lines.output("stderr", "other\n", "t2");
    lines.output("stdout", " red\n10%\r20%\r", "t3");
    lines.output("stdout", "30%\nabc\r\r\n", "t4");
    expect(rowsOf(lines).map(({ kind, text, style, number }) => [kind, plain(text), style, number])).toEqual([
      ["stdout", "one red", {}, 1],
      ["stdout", "still red", { fg: 1 }, 2],
      ["stderr", "other", {}, 3],
      ["stdout", "30%", { fg: 1 }, 4],
      ["stdout", "abc", { fg: 1 }, 5],
    ]);
  });

  it("of a million are the first and the newest, in bounds, with a word on the rest", () => {
    const lines = new Lines();
    for (let from = 0; from < 1_000_000; from += 1000) {
      lines.output("stdout", Array.from({ length: 1000 }, (_, n) => `line ${from + n}\n`).join(""), "t");
    }
    expect(lines.length).toBeLessThan(60_000);
    expect(lines.at(0)).toMatchObject({ number: 1, text: "line 0" });
    expect(lines.at(lines.length - 1)).toMatchObject({ number: 1_000_000, text: "line 999999" });
    const gap = rowsOf(lines).filter(({ kind }) => kind === "gap");
    expect(gap).toHaveLength(1);
    expect(lines.length - 1 + lines.dropped).toBe(1_000_000);
  });

  it("hold no line of a million characters as one", () => {
    const lines = new Lines();
    for (let at = 0; at < 1000; at += 1) lines.output("stdout", "x".repeat(1000), "t");
    expect(Math.max(...rowsOf(lines).map(({ text }) => text.length))).toBeLessThanOrEqual(2000);
    expect(rowsOf(lines).reduce((sum, { text }) => sum + text.length, 0)).toBe(1_000_000);
    const rewritten = new Lines();
    for (let at = 0; at < 200_000; at += 1) rewritten.output("stdout", `${at} ${"%".repeat(200)}\r`, "t");
    rewritten.output("stdout", "done\n", "t");
    expect(rowsOf(rewritten).map(({ text }) => text)).toEqual(["done"]);
  });
});

describe("what is in sight", () => {
  it("covers the window and leaves the height what it is", () => {
    const measure = fc.record({
      count: fc.nat(3000),
      top: fc.nat(60_000),
      height: fc.integer({ min: 50, max: 1000 }),
      wraps: fc.boolean(),
    });
    fc.assert(
      fc.property(measure, ({ count, top, height, wraps }) => {
        const rowsIn = (index: number) => (wraps ? 1 + (index % 3) : 1);
        const { first, end, above, below } = inSight({ count, rowsOf: wraps ? rowsIn : null }, top, height);
        let inside = 0;
        for (let index = first; index < end; index += 1) inside += rowsIn(index) * ROW_PX;
        let all = 0;
        for (let index = 0; index < count; index += 1) all += rowsIn(index) * ROW_PX;
        expect(above + inside + below).toBe(all);
        if (all > top) expect(above <= top && above + inside >= Math.min(all, top + height)).toBe(true);
        expect(end - first).toBeLessThan(2 + (height + 800) / ROW_PX + 3);
      }),
    );
  });
});
