// What one process leaves for the next about this host, and what of it is believed.
import { chmodSync, chownSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KnownFacts } from "../../src/sandbox/known-facts.js";
import { tempDir } from "../support/temp.js";

const newFile = () => join(tempDir(), "facts.json");

describe("known facts", () => {
  it("are there in the next process, for their user alone", () => {
    const file = newFile();
    new KnownFacts(file).keep("python", { version: [3, 11] });
    expect(new KnownFacts(file).get("python")).toEqual({ version: [3, 11] });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("of several processes are all kept, the newest sixteen", () => {
    const file = newFile();
    const [one, other] = [new KnownFacts(file), new KnownFacts(file)];
    expect(one.get("a")).toBeUndefined();
    other.keep("b", 2);
    one.keep("a", 1);
    expect([new KnownFacts(file).get("a"), new KnownFacts(file).get("b")]).toEqual([1, 2]);
    for (let n = 0; n < 15; n++) one.keep(`more ${n}`, n);
    expect([new KnownFacts(file).get("a"), new KnownFacts(file).get("b")]).toEqual([1, undefined]);
  });

  it("can be forgotten", () => {
    const file = newFile();
    const facts = new KnownFacts(file);
    facts.keep("a", 1);
    facts.keep("a", undefined);
    expect([facts.get("a"), new KnownFacts(file).get("a")]).toEqual([undefined, undefined]);
  });

  it.each(["", "{", "null", "7", '{"a":1}', '[["a"', "[1,2]", '"text"', "[".repeat(100_000)])(
    "are none in a file that is damaged: %s",
    (text) => {
      const file = newFile();
      writeFileSync(file, text, { mode: 0o600 });
      expect(new KnownFacts(file).get("a")).toBeUndefined();
      new KnownFacts(file).keep("a", 1);
      expect(new KnownFacts(file).get("a")).toBe(1);
    },
  );

  it("are none where others may write or read them, or where the file is a link", () => {
    const file = newFile();
    new KnownFacts(file).keep("a", 1);
    chmodSync(file, 0o620);
    expect(new KnownFacts(file).get("a")).toBeUndefined();
    chmodSync(file, 0o600);
    const link = newFile();
    symlinkSync(file, link);
    expect(new KnownFacts(link).get("a")).toBeUndefined();
  });

  it.runIf(process.getuid?.() === 0)("are none in another user's file", () => {
    const file = newFile();
    new KnownFacts(file).keep("a", 1);
    chownSync(file, 12_345, 12_345);
    expect(new KnownFacts(file).get("a")).toBeUndefined();
  });

  it("that cannot be written are kept by nobody, and a link there is not followed", () => {
    const file = newFile();
    const elsewhere = newFile();
    writeFileSync(elsewhere, "of somebody");
    symlinkSync(elsewhere, `${file}.new`);
    new KnownFacts(file).keep("a", 1);
    expect([readFileSync(elsewhere, "utf8"), new KnownFacts(file).get("a")]).toEqual(["of somebody", undefined]);
    new KnownFacts(join(file, "none")).keep("a", 1);
  });
});
