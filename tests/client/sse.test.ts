// The reading of server-sent events, and paths as parts of an address.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filePath } from "../../src/client/paths.js";
import { SseReader } from "../../src/client/sse.js";
import { toSse } from "../../src/comm/wire.js";

describe("server-sent events", () => {
  it("are the same, however the stream is cut and its lines end", () => {
    const texts = fc.array(fc.string({ unit: "binary" }), { maxLength: 5 });
    const cuts = fc.array(fc.nat(40), { maxLength: 30 });
    fc.assert(
      fc.property(texts, cuts, fc.constantFrom("\n", "\r\n", "\r"), (said, lengths, end) => {
        const events = said.map((text, index) => ({ seq: index + 1, type: "output" as const, text }));
        const stream = `retry: 1000\n\n${events.map((event) => `${toSse(event)}: still here\n\n`).join("")}`;
        const whole = stream.replaceAll("\n", end);
        const reader = new SseReader();
        const found = [];
        let at = 0;
        for (const length of lengths) {
          found.push(...reader.push(whole.slice(at, at + length)));
          at += length;
        }
        // A last CR waits for what follows it.
        found.push(...reader.push(whole.slice(at)), ...reader.push("\n"));
        expect(found[0]).toEqual({ id: null, data: "", retryMs: 1000 });
        expect(found.slice(1).map(({ data }) => JSON.parse(data))).toEqual(events);
        expect(found.slice(1).map(({ id }) => id)).toEqual(events.map(({ seq }) => String(seq)));
      }),
    );
  });

  it("have their lines of data joined, and no event without any", () => {
    expect(new SseReader().push("data: a\ndata:b\ndata\nid: 7\nevent: x\nother: y\n\nid: 8\n\n: no\n\n")).toEqual([
      { id: "7", data: "a\nb\n", retryMs: null },
    ]);
  });

  it("without an end are not held in memory for ever", () => {
    const reader = new SseReader();
    const push = () => {
      for (let count = 0; count < 80; count += 1) reader.push(`data: ${"x".repeat(1 << 20)}\n`);
    };
    expect(push).toThrow(RangeError);
  });
});

describe("a file's path in an address", () => {
  it("leads below its route, and to that very file", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (path) => {
        let part: string;
        try {
          part = filePath(path);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        const url = new URL(`v1/workspace/files/${part}`, "http://127.0.0.1/base/");
        expect({ search: url.search, hash: url.hash }).toEqual({ search: "", hash: "" });
        const rest = url.pathname.slice("/base/v1/workspace/files/".length);
        expect(decodeURIComponent(rest)).toBe(path);
      }),
    );
  });

  it.each(["", "/a", "a/", "a//b", ".", "..", "a/../b", "../../runs", "a/./b", "half \ud800"])("is not %j", (path) => {
    expect(() => filePath(path)).toThrow(TypeError);
  });
});
