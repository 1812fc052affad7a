// Files with holes: what a tree may have of them, and that those it had before stay.
import { linkSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openTrustedDir } from "../../src/safefs/dir.js";
import { judgeKept } from "../../src/workspace/kept.js";
import { type Manifest, scan } from "../../src/workspace/manifest.js";

const QUARTER = 2 ** 28;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "kept-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function putHole(name: string, bytes: number): void {
  writeFileSync(join(dir, name), "x");
  truncateSync(join(dir, name), bytes);
}

async function look(): Promise<Manifest> {
  using open = openTrustedDir(dir);
  return await scan(open);
}

async function leftOut(before: Manifest): Promise<string[]> {
  const manifest = await look();
  judgeKept(manifest, { before });
  return [...manifest.root.children].filter(([, node]) => node.leftOut !== null).map(([name]) => name);
}

it("bounds the holes of all files together, each inode's once", async () => {
  const before = await look();
  for (const name of ["a", "b", "c"]) putHole(name, QUARTER);
  linkSync(join(dir, "a"), join(dir, "a-again"));
  expect(await leftOut(before)).toEqual([]);
  for (const name of ["d", "e"]) putHole(name, QUARTER);
  linkSync(join(dir, "e"), join(dir, "e-again"));
  expect(await leftOut(before)).toEqual(["e", "e-again"]);
  putHole("e", 1000);
  expect(await leftOut(before)).toEqual([]);
});

it("never leaves out a file that was there before, whatever else is added or its name is now", async () => {
  putHole("old", 6 * QUARTER);
  const before = await look();
  putHole("a-new", QUARTER);
  renameSync(join(dir, "old"), join(dir, "z-old"));
  expect(await leftOut(before)).toEqual(["a-new"]);
  truncateSync(join(dir, "z-old"), 7 * QUARTER);
  expect(await leftOut(before)).toEqual(["z-old"]);
});
