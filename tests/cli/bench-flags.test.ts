// Every mistake in a flag of `bench` is told before anything is measured, by a sentence that names the flag.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type BenchFlags, benchOptions } from "../../src/cli/bench-flags.js";
import { tempDir } from "../support/temp.js";

const flags = (over: Partial<BenchFlags> = {}): BenchFlags => ({ color: true, ...over });

describe("a mistake in a flag", () => {
  it.each<[string, Partial<BenchFlags>, RegExp]>([
    ["a backend that there is not", { backend: "bubblewrap,jail" }, /^--backend: there is no "jail"/],
    ["no backend", { backend: "" }, /^--backend: .*empty/],
    ["a start that there is not", { start: "lukewarm" }, /^--start: there is no "lukewarm"/],
    ["a list that ends with a comma", { concurrency: "1," }, /^--concurrency: .*empty/],
    ["nothing at once", { concurrency: "0" }, /^--concurrency: "0"/],
    ["more at once than there can be", { concurrency: "1,65" }, /^--concurrency: "65"/],
    ["half a run", { concurrency: "1.5" }, /^--concurrency: "1\.5"/],
    ["more files than there may be", { files: "100001" }, /^--files: "100001"/],
    ["fewer files than none", { files: "-1" }, /^--files: "-1"/],
    ["no round", { rounds: "0" }, /^--rounds: "0"/],
    ["rounds in words", { rounds: "many" }, /^--rounds: "many"/],
    ["several numbers of rounds", { rounds: "1,2" }, /^--rounds: "1,2"/],
    ["an empty profile", { profile: "" }, /^--profile: .*empty/],
    ["an empty file", { html: "" }, /^--html: .*empty/],
    ["a page in no folder", { html: "/nowhere/at/all.html" }, /^--html: .*no folder/],
    ["a picture that is a folder", { svg: "/tmp" }, /^--svg: .*is a folder/],
    ["two reports in one file", { html: "/tmp/a", svg: "/tmp/./a" }, /^--svg: it is the file of --html/],
  ])("%s", (_name, over, sentence) => {
    expect(() => benchOptions(flags(over))).toThrow(
      expect.objectContaining({
        code: "invalid_request",
        message: expect.stringMatching(sentence),
        hint: expect.stringMatching(/./),
      }),
    );
  });
});

describe("flags that are right", () => {
  it("have defaults", () => {
    expect(benchOptions(flags())).toEqual({
      ...{ backends: null, starts: ["cold", "warm"], concurrency: [1, 4], files: [0, 1000], rounds: 20, code: null },
    });
  });

  it("are lists without repetition, in the order given", () => {
    const given = flags({
      backend: "docker, bubblewrap",
      start: "warm",
      concurrency: "8,1,8",
      files: "5",
      rounds: "2",
    });
    expect(benchOptions(given)).toMatchObject({
      ...{ backends: ["docker", "bubblewrap"], starts: ["warm"], concurrency: [8, 1], files: [5], rounds: 2 },
    });
  });

  it("name all backends by auto", () => {
    expect(benchOptions(flags({ backend: "auto" })).backends).toBeNull();
  });

  it("name files that may be there or not", () => {
    const file = join(tempDir(), "new.html");
    expect(() => benchOptions(flags({ html: file, svg: `${file}.svg` }))).not.toThrow();
  });
});
