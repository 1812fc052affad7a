// Paths of bytes as people and documents see them.

import fc from "fast-check";
import { expect, it } from "vitest";
import { displayPath } from "../../src/safefs/display-path.js";

it("shows UTF-8 as it is", () => {
  for (const path of ["a/b.txt", "é/ü\n", "😀", "back\\xffslash"])
    expect(displayPath(Buffer.from(path))).toEqual({ path });
});

it("shows other bytes as \\xNN and gives the exact ones", () => {
  const path = Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0xc3, 0x2f, 0x80]);
  expect(displayPath(path)).toEqual({ path: "a\\xffé\\xc3/\\x80", pathBase64: path.toString("base64") });
});

it("loses no byte and writes no invalid text", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const path = Buffer.from(bytes);
      const shown = displayPath(path);
      if (!path.includes(Buffer.from("\ufffd"))) expect(shown.path).not.toContain("\ufffd");
      const exact = shown.pathBase64 === undefined ? Buffer.from(shown.path) : Buffer.from(shown.pathBase64, "base64");
      expect(exact.equals(path)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
