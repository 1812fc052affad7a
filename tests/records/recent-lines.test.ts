// The newest lines of a file, read from its end: the same ones that reading it from the start gives.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KiB } from "../../src/model/limits.js";
import { recentLines } from "../../src/records/recent-lines.js";
import { tempDir } from "../support/temp.js";

async function read(file: string, maxBytes: number): Promise<string[]> {
  const found: string[] = [];
  for await (const line of recentLines(file, maxBytes)) found.push(line.toString());
  return found;
}

describe("recentLines", () => {
  it("gives every line whole, the newest first, and none that is still being written", async () => {
    const file = join(tempDir(), "lines");
    // Lengths around those of the pieces that are read.
    const line = fc.oneof(
      fc.string({ maxLength: 5 }).map((text) => text.replaceAll("\n", "")),
      fc.integer({ min: 255 * KiB, max: 257 * KiB }).map((length) => "x".repeat(length)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.constantFrom("", "unfinished"), async (lines, rest) => {
        writeFileSync(file, lines.map((text) => `${text}\n`).join("") + rest);
        expect(await read(file, Number.MAX_SAFE_INTEGER)).toEqual(lines.toReversed());
      }),
      { numRuns: 60 },
    );
  });

  it("looks no further back than it may, and cuts no line", async () => {
    const file = join(tempDir(), "lines");
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n} ${"x".repeat(n)}`);
    writeFileSync(file, lines.map((text) => `${text}\n`).join(""));
    for (let most = 0; most < 3000; most += 7) {
      const found = await read(file, most);
      expect(found).toEqual(lines.toReversed().slice(0, found.length));
      expect(found.join("\n").length).toBeLessThanOrEqual(most);
    }
    expect(await read(`${file}-none`, 100)).toEqual([]);
  });
});
