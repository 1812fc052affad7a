import fc from "fast-check";
import { expect, it } from "vitest";
import { WholeCharacters } from "../../src/diagnostics/whole-characters.js";

const reference = () => new TextDecoder("utf-8", { ignoreBOM: true });

it("gives pieces of which each may be decoded by itself, however the bytes are split and whatever they are", () => {
  const byte = fc.constantFrom(
    0x00,
    0x41,
    0x7f,
    0x80,
    0xbf,
    0xc2,
    0xe2,
    0x82,
    0xac,
    0xed,
    0xa0,
    0xf0,
    0x9f,
    0x98,
    0x80,
    0xf5,
    0xff,
  );
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.array(byte, { maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc.string({ unit: "grapheme", maxLength: 10 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const stream = new WholeCharacters();
      const whole = [...pieces.map((bytes) => stream.push(bytes)), stream.end()];
      expect(whole.map((bytes) => reference().decode(bytes)).join("")).toBe(reference().decode(Buffer.concat(pieces)));
      expect(Buffer.concat(whole)).toEqual(Buffer.concat(pieces));
    }),
    { numRuns: 3000 },
  );
});
