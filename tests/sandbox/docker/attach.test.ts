// The engine's stream: taken apart wherever it is split, and handed on as the runner's channel.
import { once } from "node:events";
import { connect as connectTo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { AttachedChannel } from "../../../src/sandbox/docker/attach.js";
import { Demux } from "../../../src/sandbox/docker/demux.js";
import { tempDir } from "../../support/temp.js";

const STDOUT = 1;
const STDERR = 2;

function frame(stream: number, payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

describe("Demux", () => {
  it("takes frames apart, wherever they are split", () => {
    const frames = fc.array(
      fc.record({ stream: fc.constantFrom(STDOUT, STDERR), text: fc.string({ unit: "binary" }) }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(frames, fc.array(fc.nat(64), { minLength: 1 }), (sent, cuts) => {
        const whole = Buffer.concat(sent.map(({ stream, text }) => frame(stream, text)));
        const got: Record<number, Buffer[]> = { [STDOUT]: [], [STDERR]: [] };
        const demux = new Demux(
          (bytes) => got[STDOUT]?.push(Buffer.from(bytes)),
          (bytes) => got[STDERR]?.push(Buffer.from(bytes)),
        );
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const step = 1 + (cuts[turn % cuts.length] ?? 0);
          demux.push(whole.subarray(at, at + step));
          at += step;
        }
        for (const stream of [STDOUT, STDERR]) {
          const text = sent.filter((each) => each.stream === stream).map((each) => each.text);
          expect(Buffer.concat(got[stream] ?? [])).toEqual(Buffer.from(text.join("")));
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["another protocol", Buffer.from("HTTP/1.1 200 OK\r\n")],
    ["a length beyond any frame", Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])],
  ])("refuses %s", (_name, bytes) => {
    const demux = new Demux(
      () => {},
      () => {},
    );
    expect(() => demux.push(bytes)).toThrow(/no frame/);
  });
});

/** A channel, and the engine's end of its stream. */
async function attached(): Promise<{ channel: AttachedChannel; engine: Socket }> {
  const path = join(tempDir(), "s");
  const server = createServer({ allowHalfOpen: true }).listen(path);
  await once(server, "listening");
  const ours = connectTo(path);
  const [engine] = await once(server, "connection");
  const channel = new AttachedChannel(ours);
  onTestFinished(() => {
    channel.destroy();
    engine.destroy();
    server.close();
  });
  return { channel, engine };
}

describe("AttachedChannel", () => {
  it("carries bytes both ways", async () => {
    const { channel, engine } = await attached();
    channel.write("to the runner");
    expect(String((await once(engine, "data"))[0])).toBe("to the runner");
    engine.write(Buffer.concat([frame(STDOUT, "from "), frame(STDERR, "aside\n"), frame(STDOUT, "the runner")]));
    let got = "";
    channel.on("data", (chunk: Buffer) => {
      got += chunk;
    });
    await expect.poll(() => got).toBe("from the runner");
    expect(channel.logLines()).toEqual(["aside"]);
  });

  it("hands over all that came before the end to a reader that is late, and closes then", async () => {
    const { channel, engine } = await attached();
    const sent = Buffer.alloc(10_000, "x");
    engine.end(frame(STDOUT, sent));
    await channel.gone;
    expect(channel.destroyed).toBe(false);
    const got: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => got.push(chunk));
    await once(channel, "close");
    expect(Buffer.concat(got)).toEqual(sent);
  });

  it("tells that the engine is gone, read or not", async () => {
    const { channel, engine } = await attached();
    engine.destroy();
    await channel.gone;
  });

  it("holds up an engine whose bytes nobody reads", async () => {
    const { channel, engine } = await attached();
    const chunk = frame(STDOUT, Buffer.alloc(64 * 1024));
    let accepted = 0;
    while (engine.write(chunk) && accepted < 1000) accepted += 1;
    expect(accepted).toBeLessThan(1000);
    expect(channel.readableLength).toBeLessThan(4 * 1024 * 1024);
  });

  it("keeps the first lines of a flood on stderr, cut, and says what was dropped", async () => {
    const { channel, engine } = await attached();
    engine.end(frame(STDERR, `first\n${"y".repeat(3000)}\n${"z\n".repeat(100_000)}`));
    await channel.gone;
    const lines = channel.logLines();
    expect(lines[0]).toBe("first");
    expect(lines[1]).toBe("y".repeat(2000));
    const sentBytes = 6 + 3001 + 200_000;
    expect(lines.at(-1)).toBe(`(${sentBytes - 64 * 1024} more bytes of the runner were dropped)`);
  });

  it("ends where the stream is no engine's", async () => {
    const { channel, engine } = await attached();
    engine.write("HTTP/1.1 500 Internal Server Error\r\n\r\n");
    const [error] = await once(channel, "error");
    expect(String(error)).toMatch(/no frame/);
  });
});
