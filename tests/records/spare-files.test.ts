// Files from a stock of empty ones: whole or absent as all others, and none of the stock is left.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { SpareFiles } from "../../src/records/spare-files.js";
import { openHistory } from "../support/history.js";
import { tempDir } from "../support/temp.js";

const ME = "0123456789abcdef";
const DEAD = "fedcba9876543210";

async function stocked() {
  const dir = tempDir();
  const spares = new SpareFiles(join(dir, "spare-files"), ME);
  onTestFinished(() => spares.close());
  const names = () => (existsSync(join(dir, "spare-files")) ? readdirSync(join(dir, "spare-files")) : []);
  await expect.poll(() => names().length).toBe(16);
  return { dir, spares, names };
}

describe("a file from the stock", () => {
  it("has all of its text and nobody else's eyes, and there is a new one in its place later", async () => {
    const { dir, spares, names } = await stocked();
    const inodes = names().map((name) => statSync(join(dir, "spare-files", name)).ino);
    spares.put(join(dir, "one"), "first");
    expect(readFileSync(join(dir, "one"), "utf8")).toBe("first");
    expect(inodes).toContain(statSync(join(dir, "one")).ino);
    expect(statSync(join(dir, "one")).mode & 0o777).toBe(0o600);
    expect(names()).toHaveLength(15);
    await expect.poll(() => names().length).toBe(16);
  });

  it("takes the place of another one, and makes the folder of a user that has none", async () => {
    const { dir, spares, names } = await stocked();
    writeFileSync(join(dir, "one"), "what was there, and longer");
    spares.put(join(dir, "one"), "new");
    spares.put(join(dir, "user", "one"), "first");
    expect([readFileSync(join(dir, "one"), "utf8"), readFileSync(join(dir, "user", "one"), "utf8")]).toEqual([
      "new",
      "first",
    ]);
    expect(readdirSync(join(dir, "user"))).toEqual(["one"]);
    expect(names()).toHaveLength(14);
  });

  it("is made at once where the stock is empty, or somebody took it away", async () => {
    const { dir, spares } = await stocked();
    rmSync(join(dir, "spare-files"), { recursive: true });
    for (let count = 0; count < 20; count += 1) spares.put(join(dir, String(count)), `text ${count}`);
    for (let count = 0; count < 20; count += 1) {
      expect(readFileSync(join(dir, String(count)), "utf8")).toBe(`text ${count}`);
    }
    expect(readdirSync(dir).filter((name) => name.includes(ME))).toEqual([]);
  });

  it("leaves what was there where it cannot be put", async () => {
    const { dir, spares, names } = await stocked();
    writeFileSync(join(dir, "file"), "no folder");
    expect(() => spares.put(join(dir, "file", "one"), "text")).toThrow("ENOTDIR");
    expect(readFileSync(join(dir, "file"), "utf8")).toBe("no folder");
    expect(names()).toHaveLength(15);
  });

  it("is what was said, whatever it is", async () => {
    const { dir, spares } = await stocked();
    const path = join(dir, "one");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        spares.put(path, text);
        expect(readFileSync(path, "utf8")).toBe(text);
      }),
    );
  });
});

it("is gone when its process has closed it, and that of a dead one with the next start", async () => {
  const { spares, names } = await stocked();
  await spares.close();
  expect(names()).toEqual([]);

  const dir = tempDir();
  await (await openHistory(dir)).close();
  expect(existsSync(join(dir, "spare-files")) ? readdirSync(join(dir, "spare-files")) : []).toEqual([]);
  const dead = new SpareFiles(join(dir, "spare-files"), DEAD);
  await expect
    .poll(() => existsSync(join(dir, "spare-files")) && readdirSync(join(dir, "spare-files")).length)
    .toBe(16);
  const history = await openHistory(dir, { alive: [] });
  expect(readdirSync(join(dir, "spare-files")).filter((name) => name.endsWith(DEAD))).toEqual([]);
  await history.close();
  await dead.close();
});
