// Roots for a moment: below our own state, gone afterwards, and with them what an earlier process left there.
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeScratchRoots } from "../../src/workspace/scratch.js";
import { WorkspaceStore } from "../../src/workspace/store.js";
import { tempDir } from "../support/temp.js";

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

it("are roots like any others, and gone afterwards", async () => {
  const root = join(tempDir(), "sandbox");
  {
    await using scratch = await makeScratchRoots(root);
    const { workspaceRoot, sandboxRoot } = scratch;
    await using store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, owner });
    expect(existsSync(store.slotsDir)).toBe(true);
    expect(readdirSync(root)).toEqual([".iso-runtime"]);
  }
  expect(readdirSync(join(root, ".iso-runtime"))).toEqual([]);
});

it("take away what was left an hour ago, and nothing of a neighbour's or of the store's", async () => {
  const root = join(tempDir(), "sandbox");
  const state = join(root, ".iso-runtime");
  for (const name of ["scratch-old", "scratch-new", "slots"]) {
    mkdirSync(join(state, name), { recursive: true });
    writeFileSync(join(state, name, "file"), "");
  }
  const longAgo = new Date(0);
  for (const name of ["scratch-old", "slots"]) utimesSync(join(state, name), longAgo, longAgo);
  await using _ = await makeScratchRoots(root);
  const left = readdirSync(state).filter((name) => ["scratch-old", "scratch-new", "slots"].includes(name));
  expect(left.sort()).toEqual(["scratch-new", "slots"]);
});
