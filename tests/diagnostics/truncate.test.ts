import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { truncateMiddle } from "../../src/diagnostics/truncate.js";

describe("truncateMiddle", () => {
  it("leaves a text alone that fits", () => {
    expect(truncateMiddle("ü".repeat(50), 100)).toBe("ü".repeat(50));
  });

  it("keeps head and tail and says exactly how much is left out", () => {
    const text = `first ${"x".repeat(5000)} last`;
    const cut = truncateMiddle(text, 1000);
    const [, count = ""] = /\n… ([\d,]+) bytes left out …\n/.exec(cut) ?? [];
    expect(cut).toMatch(/^first x+\n… .* …\nx+ last$/);
    expect(cut.replace(/\n….*…\n/, "").length + Number(count.replaceAll(",", ""))).toBe(text.length);
  });

  it("never goes beyond its bound and never breaks a character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 800 }), fc.integer({ min: 0, max: 600 }), (text, maxBytes) => {
        const wellFormed = Buffer.from(text).toString();
        const cut = truncateMiddle(wellFormed, maxBytes);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(Math.max(maxBytes, 0));
        const lost = (cut.match(/\ufffd/g) ?? []).length;
        expect(lost).toBeLessThanOrEqual((wellFormed.match(/\ufffd/g) ?? []).length);
      }),
      { numRuns: 1000 },
    );
  });
});
