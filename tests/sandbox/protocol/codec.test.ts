import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Decoded, encodeFrame, FrameDecoder, ProtocolError } from "../../../src/sandbox/protocol/codec.js";
import { HEADER_BYTES, MAX_OUTPUT_BYTES, MAX_PAYLOAD_BYTES } from "../../../src/sandbox/protocol/frames.js";

interface Vectors {
  frames: { name: string; bytes: string; expect: [string, string][] }[];
  badHeaders: { name: string; bytes: string; reason: string; framesBefore: number }[];
  badPayloads: { name: string; bytes: string; reason: string }[];
  badProgramMessages: { name: string; bytes: string }[];
}
const vectors: Vectors = JSON.parse(readFileSync(new URL("../../vectors/frames.json", import.meta.url), "utf8"));

function decode(chunks: Buffer[]): { frames: Decoded[]; error: unknown; decoder: FrameDecoder } {
  const decoder = new FrameDecoder();
  const frames: Decoded[] = [];
  try {
    for (const chunk of chunks) for (const frame of decoder.push(chunk)) frames.push(frame);
  } catch (error) {
    return { frames, error, decoder };
  }
  return { frames, error: null, decoder };
}

/** Output frames come in as many pieces as their bytes did: what stands next to each other is one. */
function joined(frames: readonly Decoded[]): Decoded[] {
  const all: Decoded[] = [];
  for (const frame of frames) {
    const last = all.at(-1);
    if (last !== undefined && "bytes" in last && "bytes" in frame && last.kind === frame.kind)
      all[all.length - 1] = { kind: last.kind, bytes: Buffer.concat([last.bytes, frame.bytes]) };
    else all.push(frame);
  }
  return all;
}

/** A decoded frame in the form the vectors have. */
function plain(frame: Decoded): unknown {
  if ("bytes" in frame) return [frame.kind, frame.bytes.toString("utf8")];
  return [frame.kind, "body" in frame ? frame.body : {}];
}

function frame(kind: string, payload: Buffer, length = payload.length): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(length, 0);
  header.write(kind, 4, "latin1");
  return Buffer.concat([header, payload]);
}

function splitAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const sorted = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

describe("vectors shared with the runner", () => {
  it.each(vectors.frames)("frames: $name", ({ bytes, expect: expected }) => {
    const wanted = expected.map(([kind, text]) =>
      ["O", "E", "L", "T"].includes(kind) ? [kind, text] : [kind, JSON.parse(text)],
    );
    const data = Buffer.from(bytes, "hex");
    for (let cut = 0; cut <= data.length; cut += 1) {
      const { frames, error } = decode([data.subarray(0, cut), data.subarray(cut)]);
      expect(error).toBeNull();
      expect(joined(frames).map(plain)).toEqual(wanted);
    }
  });

  it.each(vectors.badHeaders)("header: $name", ({ bytes, reason, framesBefore }) => {
    const { frames, error } = decode([Buffer.from(bytes, "hex")]);
    expect(error).toMatchObject({ name: "ProtocolError", reason });
    expect(frames).toHaveLength(framesBefore);
  });

  it.each(vectors.badPayloads)("payload: $name", ({ bytes, reason }) => {
    expect(decode([Buffer.from(bytes, "hex")]).error).toMatchObject({ name: "ProtocolError", reason });
  });

  it.each(vectors.badProgramMessages)("program message: $name", ({ bytes }) => {
    const { frames, error } = decode([Buffer.from(bytes, "hex"), frame("B", Buffer.from("{}"))]);
    expect(error).toBeNull();
    expect(frames.map(({ kind }) => kind)).toEqual(["bad-program-message", "B"]);
  });
});

describe("FrameDecoder", () => {
  const valid = vectors.frames.flatMap(({ bytes, expect: expected }) =>
    expected.length > 0 ? [Buffer.from(bytes, "hex")] : [],
  );
  const whole = Buffer.concat(valid.filter((bytes) => decode([bytes]).decoder.buffered === 0));
  const wanted = joined(decode([whole]).frames);

  it("gives the same frames however the bytes are split", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 40 }), (cuts) => {
        const { frames, error } = decode(splitAt(whole, cuts));
        expect(error).toBeNull();
        expect(joined(frames).map(plain)).toEqual(wanted.map(plain));
      }),
      { numRuns: 1000 },
    );
  });

  it("gives a prefix of the frames where the bytes are truncated", () => {
    fc.assert(
      fc.property(fc.nat(whole.length), (length) => {
        const { frames, error, decoder } = decode([whole.subarray(0, length)]);
        expect(error).toBeNull();
        const found = joined(frames);
        const last = found.at(-1);
        const asFar = wanted.slice(0, found.length);
        const full = asFar.at(-1);
        if (last !== undefined && full !== undefined && "bytes" in last && "bytes" in full)
          asFar[asFar.length - 1] = { kind: full.kind, bytes: full.bytes.subarray(0, last.bytes.length) };
        expect(found.map(plain)).toEqual(asFar.map(plain));
        expect(decoder.inside).toBeLessThanOrEqual(length);
      }),
      { numRuns: 1000 },
    );
  });

  it("throws nothing but ProtocolError on mutated bytes", () => {
    const mutation = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (edits, cuts) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of edits) bytes[at] = value;
          const { error, decoder } = decode(splitAt(bytes, cuts));
          expect(error === null || error instanceof ProtocolError).toBe(true);
          expect(decoder.buffered).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("throws nothing but ProtocolError on random bytes and random payloads", () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(text)),
    );
    const framed = fc
      .tuple(fc.constantFrom(..."HBOELTCPXZ"), payload)
      .map(([kind, bytes]) => frame(kind, Buffer.from(bytes)));
    const random = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.oneof(framed, random), { maxLength: 5 }), (chunks) => {
        const { error } = decode(chunks);
        expect(error === null || error instanceof ProtocolError).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("holds one frame at most, however many bytes arrive", () => {
    const decoder = new FrameDecoder();
    const huge = frame("C", Buffer.alloc(MAX_PAYLOAD_BYTES - 1, 0x20), MAX_PAYLOAD_BYTES);
    for (let at = 0; at < huge.length; at += 1000) expect([...decoder.push(huge.subarray(at, at + 1000))]).toEqual([]);
    expect(decoder.buffered).toBe(HEADER_BYTES + MAX_PAYLOAD_BYTES - 1);
    expect([...decoder.push(Buffer.from(" "))].map(({ kind }) => kind)).toEqual(["bad-program-message"]);
    expect(decoder.buffered).toBe(0);
  });

  it("passes output on as it comes and holds none of it, whatever a frame announces", () => {
    const decoder = new FrameDecoder();
    const bytes = frame("O", Buffer.alloc(MAX_OUTPUT_BYTES, "o"));
    let passedOn = 0;
    for (let at = 0; at < bytes.length - 1; at += 1000) {
      for (const part of decoder.push(bytes.subarray(at, Math.min(at + 1000, bytes.length - 1))))
        passedOn += "bytes" in part ? part.bytes.length : 0;
      expect(passedOn).toBe(Math.min(at + 1000, bytes.length - 1) - HEADER_BYTES);
      expect(decoder.buffered).toBe(HEADER_BYTES);
    }
    expect(decoder.inside).toBe(bytes.length - 1);
    expect([...decoder.push(Buffer.concat([Buffer.from("o"), frame("B", Buffer.from("{}"))]))].map(plain)).toEqual([
      ["O", "o"],
      ["B", {}],
    ]);
    expect(decoder.inside).toBe(0);
  });

  it("stays broken after a violation", () => {
    const decoder = new FrameDecoder();
    expect(() => [...decoder.push(frame("Z", Buffer.alloc(0)))]).toThrow(ProtocolError);
    expect(decoder.buffered).toBe(0);
    expect(() => [...decoder.push(frame("B", Buffer.from("{}")))]).toThrow(ProtocolError);
  });

  it("keeps keys such as __proto__ from having an effect", () => {
    const text =
      '{"t":"call","id":"1","tool_id":"__proto__.constructor","params":{"__proto__":{"polluted":1},"constructor":2},"reason":null}';
    const [decoded] = decode([frame("C", Buffer.from(text))]).frames;
    expect(decoded).toMatchObject({ kind: "C", body: { tool_id: "__proto__.constructor" } });
    if (decoded?.kind !== "C" || decoded.body.t !== "call") throw new Error("a call was expected");
    expect(decoded.body.params.polluted).toBeUndefined();
    expect(Object.getOwnPropertyDescriptor(decoded.body.params, "constructor")?.value).toBe(2);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("takes no message with more named values than the host can afford", () => {
    const message = (values: number) => {
      const params = Object.fromEntries(Array.from({ length: values }, (_, index) => [`k${index}`, ":"]));
      return frame("C", Buffer.from(JSON.stringify({ t: "call", id: "1", tool_id: "a.b", params, reason: null })));
    };
    expect(decode([message(99_000)]).frames).toMatchObject([{ kind: "C" }]);
    expect(decode([message(100_000)]).frames).toMatchObject([
      { kind: "bad-program-message", reason: expect.stringContaining("more than 100000 named values") },
    ]);
  });

  it("counts depth outside of strings only", () => {
    const message = { t: "warning", message: "[".repeat(500) + '\\"{'.repeat(100), line: 1 };
    expect(decode([frame("C", Buffer.from(JSON.stringify(message)))]).frames).toMatchObject([
      { kind: "C", body: message },
    ]);
  });
});

describe("encodeFrame", () => {
  it("writes length, kind and UTF-8 JSON", () => {
    const bytes = encodeFrame({ kind: "A", body: { id: "ä", ok: true, ret: null } });
    expect(bytes.readUInt32BE(0)).toBe(bytes.length - HEADER_BYTES);
    expect(bytes.toString("latin1", 4, 5)).toBe("A");
    expect(JSON.parse(bytes.toString("utf8", HEADER_BYTES))).toEqual({ id: "ä", ok: true, ret: null });
  });

  it("refuses what a frame cannot carry", () => {
    const nested: unknown = JSON.parse("[".repeat(80) + "]".repeat(80));
    expect(() => encodeFrame({ kind: "A", body: { id: "1", ok: true, ret: "x".repeat(MAX_PAYLOAD_BYTES) } })).toThrow(
      RangeError,
    );
    expect(() => encodeFrame({ kind: "A", body: { id: "1", ok: true, ret: nested } })).toThrow(RangeError);
    expect(() => encodeFrame({ kind: "A", body: { id: "1", ok: true, ret: 1n } })).toThrow(TypeError);
  });
});
