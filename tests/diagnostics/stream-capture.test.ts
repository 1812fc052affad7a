import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeadTail } from "../../src/diagnostics/head-tail.js";
import { StreamCapture } from "../../src/diagnostics/stream-capture.js";

describe("StreamCapture", () => {
  it("keeps all that fits, to the byte", () => {
    const capture = new StreamCapture(10);
    capture.push(Buffer.from("01234"));
    capture.push(Buffer.from("56789"));
    expect(capture.text()).toEqual({ text: "0123456789", bytes: 10, truncated: false });
  });

  it("keeps head and tail beyond that, counts all bytes, and says what is left out", () => {
    const capture = new StreamCapture(20);
    for (let i = 0; i < 100; i++) capture.push(Buffer.from(`line ${String(i).padStart(3, "0")}\n`));
    expect(capture.text()).toEqual({
      text: "line 000\nl\n… 880 bytes left out …\n\nline 099\n",
      bytes: 900,
      truncated: true,
    });
  });

  it("does not break a character at the cut", () => {
    const capture = new StreamCapture(21);
    capture.push(Buffer.from("€".repeat(1000)));
    expect(capture.text().text).not.toContain("\ufffd");
  });

  it("puts characters together that arrive in pieces", () => {
    const capture = new StreamCapture();
    for (const byte of Buffer.from("grüße €")) capture.push(Buffer.from([byte]));
    expect(capture.text().text).toBe("grüße €");
  });

  it("makes any bytes a text that survives JSON", () => {
    const capture = new StreamCapture();
    capture.push(Buffer.from([0x00, 0x1b, 0x5b, 0xff, 0xfe, 0xc3, 0x41, 0xed, 0xa0, 0x80]));
    const { text } = capture.text();
    expect(JSON.parse(JSON.stringify(text))).toBe(text);
    expect(text.startsWith("\0\x1b[\ufffd\ufffd\ufffdA")).toBe(true);
  });
});

describe("HeadTail", () => {
  it("holds exactly the first and the last bytes, however they arrive", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }),
        fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }),
        (maxBytes, chunks) => {
          const kept = new HeadTail(maxBytes);
          for (const chunk of chunks) kept.push(chunk);
          const all = Buffer.concat(chunks);
          const { head, tail } = kept.ends();
          expect(kept.total).toBe(all.length);
          const headBytes = Math.min(all.length, Math.ceil(maxBytes / 2));
          const tailBytes = Math.min(all.length - headBytes, Math.floor(maxBytes / 2));
          expect(head).toEqual(all.subarray(0, headBytes));
          expect(Buffer.from(tail)).toEqual(all.subarray(all.length - tailBytes));
          expect(kept.dropped).toBe(all.length - headBytes - tailBytes);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
