import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, type FromClient, toFrame } from "../../../src/cli/daemon/frames.js";

const message = (text: string): FromClient => ({ do: "run", key: text, request: { code: text } });

describe("the reader of messages", () => {
  it("puts them together wherever they were cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme" }), { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        (texts, size) => {
          const bytes = Buffer.from(texts.map((text) => toFrame(message(text))).join(""));
          const reader = new FrameReader<FromClient>();
          const found: FromClient[] = [];
          for (let at = 0; at < bytes.length; at += size) found.push(...reader.read(bytes.subarray(at, at + size)));
          expect(found).toEqual(texts.map(message));
        },
      ),
    );
  });

  it.each(["hello\n", "1\n", "null\n", "[]\n", "\n"])("refuses %j", (text) => {
    expect(() => new FrameReader().read(Buffer.from(text))).toThrow();
  });

  it("keeps no more than it may, whether the message ends or not", () => {
    const frame = toFrame(message("x".repeat(100)));
    expect(new FrameReader(frame.length - 1).read(Buffer.from(frame))).toHaveLength(1);
    expect(() => new FrameReader(frame.length - 2).read(Buffer.from(frame))).toThrow(/more than/);
    const reader = new FrameReader(10);
    reader.read(Buffer.from("12345"));
    expect(() => reader.read(Buffer.from("678901"))).toThrow(/more than/);
  });
});
