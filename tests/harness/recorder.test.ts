import { describe, expect, it } from "vitest";
import { Recorder } from "../../src/harness/recorder.js";
import type { EventInput } from "../../src/model/events.js";
import { tempDir } from "../support/temp.js";

describe("the recorder", () => {
  it("tells output as the result has it: characters in pieces, a byte order mark, half a character at the end", async () => {
    const told: EventInput[] = [];
    const recorder = new Recorder(tempDir(), (event) => told.push(event));
    const bytes = Buffer.from([...Buffer.from("\ufeffä€"), 0xff, 0xe2, 0x82]);
    for (const byte of bytes) recorder.output("stdout", Buffer.of(byte));
    recorder.outputEnded();
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const text = told.map((event) => (event.type === "output" ? decoder.decode(event.bytes) : "")).join("");
    expect(text).toBe("\ufeffä€\ufffd\ufffd");
    expect(recorder.stream("stdout").text).toBe(text);
    await recorder.finish();
  });
});
