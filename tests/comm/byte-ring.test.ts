import fc from "fast-check";
import { expect, it } from "vitest";
import { ByteRing } from "../../src/comm/byte-ring.js";

it("gives back the newest bytes as they were put, also across its end, and refuses what is written over", () => {
  const piece = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.integer({ min: 50, max: 120 }), fc.array(piece, { maxLength: 40 }), (size, pieces) => {
      const ring = new ByteRing(size);
      const put: { start: number; bytes: Buffer }[] = [];
      for (const bytes of pieces) {
        put.push({ start: ring.put(bytes), bytes });
        let newer = 0;
        for (const old of [...put].reverse()) {
          newer += old.bytes.length;
          if (newer <= size) expect(ring.at(old.start, old.bytes.length).equals(old.bytes)).toBe(true);
          else expect(() => ring.at(old.start, old.bytes.length)).toThrow(RangeError);
        }
      }
      expect(() => ring.put(Buffer.alloc(size + 1))).toThrow(RangeError);
    }),
  );
});
