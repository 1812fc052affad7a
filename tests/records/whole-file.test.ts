// Files that are whole or absent: whatever happens in between, a reader never takes a half for a whole.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { claimName, putWhole, writerOf } from "../../src/records/whole-file.js";
import { tempDir } from "../support/temp.js";

const ME = "0123456789abcdef";
const OTHER = "fedcba9876543210";

describe("a file that is whole or absent", () => {
  it("is in its place only when all of it is written, and takes the place of the one before", () => {
    const dir = tempDir();
    const path = join(dir, "user", "file.json");
    let before: string[] = [];
    putWhole(path, "first", ME, () => {
      before = readdirSync(join(dir, "user"));
    });
    expect(before).toEqual([`file.json.${ME}`]);
    expect(writerOf(before[0] ?? "")).toBe(ME);
    putWhole(path, "second", ME, () => expect(readFileSync(path, "utf8")).toBe("first"));
    expect(readFileSync(path, "utf8")).toBe("second");
    expect(readdirSync(join(dir, "user"))).toEqual(["file.json"]);
    expect(writerOf("file.json")).toBeNull();
  });

  it("leaves what was there, and nothing beside it, where it cannot be written", () => {
    const dir = tempDir();
    const path = join(dir, "file.json");
    writeFileSync(path, "first");
    const fail = () => {
      throw new Error("full");
    };
    expect(() => putWhole(path, "second", ME, fail)).toThrow("full");
    expect(readFileSync(path, "utf8")).toBe("first");
    expect(readdirSync(dir)).toEqual(["file.json"]);
  });
});

it("gives a name to the first alone", () => {
  const dir = tempDir();
  const path = join(dir, "user", "name");
  expect([claimName(path, "mine", ME), claimName(path, "theirs", OTHER)]).toEqual([true, false]);
  expect(readFileSync(path, "utf8")).toBe("mine");
  expect(readdirSync(join(dir, "user"))).toEqual(["name"]);
});
