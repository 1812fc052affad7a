import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Recorder } from "../../src/harness/recorder.js";
import { SecretNames } from "../../src/harness/redaction/names.js";
import { MASK, Redaction } from "../../src/harness/redaction/redaction.js";
import type { EventInput } from "../../src/model/events.js";
import { tempDir } from "../support/temp.js";

const redactionOf = (env: Record<string, string>) => new Redaction(new SecretNames(), env);

describe("the recorder", () => {
  it("tells output as the result has it: characters in pieces, a byte order mark, half a character at the end", async () => {
    const told: EventInput[] = [];
    const recorder = new Recorder(tempDir(), (event) => told.push(event), redactionOf({}));
    const bytes = Buffer.from([...Buffer.from("\ufeffä€"), 0xff, 0xe2, 0x82]);
    for (const byte of bytes) recorder.output("stdout", Buffer.of(byte));
    recorder.outputEnded();
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const text = told.map((event) => (event.type === "output" ? decoder.decode(event.bytes) : "")).join("");
    expect(text).toBe("\ufeffä€\ufffd\ufffd");
    expect(recorder.stream("stdout").text).toBe(text);
    await recorder.finish();
  });

  it("keeps no secret in any of its places, and counts what the program wrote", async () => {
    const dir = tempDir();
    const told: EventInput[] = [];
    const recorder = new Recorder(dir, (event) => told.push(event), redactionOf({ API_TOKEN: "letmein-please" }));
    for (const piece of ["ERROR letme", "in-please\n", "again: letmein-plea"])
      recorder.output("stderr", Buffer.from(piece));
    recorder.output("stdout", Buffer.from("letmein-please"));
    recorder.infra("tools", "it said letmein-please");
    recorder.outputEnded();
    const { errorLines, userLog, infraLog } = await recorder.finish();
    expect(errorLines).toEqual([`ERROR ${MASK}`]);
    expect(recorder.stream("stderr").text).toContain("again: letmein-plea");
    expect(recorder.stream("stdout")).toEqual({ text: MASK, bytes: 14, truncated: false });
    const files = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    const events = told.map((event) => (event.type === "output" ? event.bytes.toString() : ""));
    for (const text of [userLog, infraLog, ...files, events.join("")]) expect(text).not.toContain("letmein-please");
  });
});
