// Previews of a program's files: what they are taken for, and that no file makes more of itself than its bounds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareCells, parseCsv } from "../../web/src/preview/csv.js";
import { isText, kindOf, MOST_PIXELS, pictureOf } from "../../web/src/preview/kinds.js";
import { type DiffRow, diffRows, folded, words } from "../../web/src/report/diff.js";
import { treeOf } from "../../web/src/report/file-tree.js";

const bytesOf = (...parts: (number[] | string)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part)] : part)));
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13];
const size = (value: number) => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];

describe("a file's kind", () => {
  it("is told by its bytes, never by its name", () => {
    const png = bytesOf(PNG, "IHDR", size(3), size(2), [8, 2, 0, 0, 0]);
    expect(kindOf(png, "x.txt")).toEqual({ kind: "picture", type: "image/png", width: 3, height: 2 });
    expect(kindOf(bytesOf("GIF89a", [5, 0, 4, 0, 0, 0]), "x")).toMatchObject({
      type: "image/gif",
      width: 5,
      height: 4,
    });
    const jpeg = bytesOf([0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8, 0, 9, 0, 7, 3, 0, 0]);
    expect(kindOf(jpeg, "x")).toMatchObject({ type: "image/jpeg", width: 7, height: 9 });
    const webp = bytesOf("RIFF", size(0), "WEBPVP8X", [10, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 4, 0, 0]);
    expect(kindOf(webp, "x")).toMatchObject({ type: "image/webp", width: 7, height: 5 });
  });

  it("is text for what a browser would run as a document", () => {
    for (const text of [
      '<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
      "<!doctype html><script>1</script>",
    ]) {
      expect(kindOf(bytesOf(text), "picture.png")).toEqual({ kind: "text" });
    }
    expect(kindOf(bytesOf("a,b\n1,2\n"), "t.csv")).toEqual({ kind: "csv" });
    expect(kindOf(bytesOf('{"a":1}'), "t.json")).toEqual({ kind: "json" });
    expect(kindOf(bytesOf([0, 1, 2]), "t.json")).toEqual({ kind: "binary" });
  });

  it("is no picture where the picture would fill the memory", () => {
    const bomb = bytesOf(PNG, "IHDR", size(60_000), size(60_000), [8, 2, 0, 0, 0]);
    expect(60_000 * 60_000).toBeGreaterThan(MOST_PIXELS);
    expect(kindOf(bomb, "x.png").kind).toBe("binary");
  });

  it("is found for any bytes", () => {
    const starts = fc.constantFrom<number[]>(
      [],
      PNG,
      [0xff, 0xd8, 0xff],
      [...Buffer.from("RIFF____WEBPVP8 ")],
      [...Buffer.from("GIF89a")],
    );
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 64 }), (start, rest) => {
        const bytes = bytesOf(start, [...rest]);
        const picture = pictureOf(bytes);
        if (picture !== null) expect(Number.isInteger(picture.width) && Number.isInteger(picture.height)).toBe(true);
        expect(["picture", "csv", "json", "text", "binary"]).toContain(kindOf(bytes, "a.csv").kind);
      }),
    );
    // A character that the end of what was read cut in two.
    expect(isText(bytesOf("é").subarray(0, 1))).toBe(true);
  });
});

describe("a table", () => {
  const cell = fc.string({ maxLength: 8 }).map((text) => text.replaceAll("\r", ""));
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;

  it("has the cells that were written", () => {
    const grid = fc
      .integer({ min: 2, max: 5 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }),
      );
    fc.assert(
      fc.property(grid, fc.constantFrom("\n", "\r\n"), fc.boolean(), (rows, end, hasEnd) => {
        const head = rows[0]?.map((_, index) => `c${index}`) ?? [];
        const text = [head, ...rows].map((row) => row.map(quote).join(",")).join(end) + (hasEnd ? end : "");
        expect(parseCsv(text)).toEqual({ columns: head, rows, isCut: false });
      }),
    );
  });

  it("is bounded in every direction, whatever the text is", () => {
    const bounds = { rows: 5, columns: 4, cell: 10 };
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(",", ";", '"', "\n", "\r", "a", "\t"), maxLength: 300 }),
        fc.boolean(),
        (text, isPart) => {
          const { columns, rows } = parseCsv(text, isPart, bounds);
          expect(rows.length).toBeLessThanOrEqual(5);
          expect(columns.length).toBeLessThanOrEqual(4);
          for (const row of [columns, ...rows]) for (const each of row) expect(each.length).toBeLessThanOrEqual(10);
        },
      ),
    );
  });

  it("leaves out a last line that the end of what was read cut, and knows other separators", () => {
    expect(parseCsv("a,b\n1,2\n3,", true)).toEqual({ columns: ["a", "b"], rows: [["1", "2"]], isCut: true });
    expect(parseCsv("\ufeffa;b\n1,5;2\n")).toEqual({ columns: ["a", "b"], rows: [["1,5", "2"]], isCut: false });
  });

  it("sorts numbers by their value, before texts, with what is empty last", () => {
    expect(["10", "9", "b", "", "-1.5", "a", "2e3"].sort(compareCells)).toEqual([
      "-1.5",
      "9",
      "10",
      "2e3",
      "a",
      "b",
      "",
    ]);
  });
});

describe("a difference", () => {
  const line = fc.constantFrom("a", "b", "c", "d", "");
  const side = (rows: DiffRow[], which: "left" | "right") =>
    rows.flatMap((row) => (row.kind !== "fold" && row[which] !== null ? [row[which].text] : []));

  it("has all of both sides, in order and numbered, folded or not", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.array(line, { maxLength: 30 }), (before, after) => {
        const join = (lines: string[]) => lines.map((text) => `${text}\n`).join("");
        const rows = diffRows(join(before), join(after)) ?? [];
        expect([side(rows, "left"), side(rows, "right")]).toEqual([before, after]);
        const numbers = rows.flatMap((row) => (row.kind !== "fold" && row.left !== null ? [row.left.number] : []));
        expect(numbers).toEqual(before.map((_, index) => index + 1));
        const short = folded(rows, new Set());
        const hidden = short.reduce((sum, row) => sum + (row.kind === "fold" ? row.count : 1), 0);
        expect(hidden).toBe(rows.length);
        expect(short.filter(({ kind }) => kind === "changed")).toEqual(rows.filter(({ kind }) => kind === "changed"));
        const all = new Set(short.flatMap((row) => (row.kind === "fold" ? [row.from] : [])));
        expect(folded(rows, all)).toEqual(rows);
      }),
    );
  });

  it("gives up on what is too different, and in time", () => {
    const lines = (seed: string) => Array.from({ length: 15_000 }, (_, n) => `${seed}${n}`).join("\n");
    const start = performance.now();
    expect(diffRows(lines("a"), lines("b"))).toBeNull();
    expect(performance.now() - start).toBeLessThan(10_000);
    const { left, right } = words("the cat sat", "the dog sat");
    expect(left.filter(({ isChanged }) => isChanged).map(({ text }) => text)).toEqual(["cat"]);
    expect(right.filter(({ isChanged }) => isChanged).map(({ text }) => text)).toEqual(["dog"]);
  });
});

describe("a tree of files", () => {
  it("has each file once, below its own folders", () => {
    const name = fc.constantFrom("a", "b", "c", "__proto__");
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"))),
        (paths) => {
          const found: string[] = [];
          const walk = (folder: ReturnType<typeof treeOf<{ path: string }>>, above: string) => {
            for (const { name: of, item } of folder.files) {
              expect(`${above}${of}`).toBe(item.path);
              found.push(item.path);
            }
            for (const each of folder.folders) walk(each, `${above}${each.name}/`);
          };
          walk(treeOf(paths.map((path) => ({ path }))), "");
          expect(found.sort()).toEqual([...paths].sort());
        },
      ),
    );
  });
});
