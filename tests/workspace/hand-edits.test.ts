// What a person changes in a workspace while a run is under way: kept where it can be, and never told as the program's doing.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { contentsOf, listed, World } from "./fixtures/world.js";

it("keeps an edit of a file that the run left alone, and does not call it a change", async () => {
  await using world = await World.open();
  await world.run(({ out }) => writeFileSync(join(out, "a"), "1"));
  const { diff } = await world.run(({ out }) => {
    writeFileSync(join(world.live, "a"), "by hand");
    writeFileSync(join(out, "b"), "2");
  });
  expect(listed(diff)).toEqual({ created: ["b"] });
  expect(contentsOf(world.live)).toEqual({ a: "by hand", b: "2" });
});

it("keeps what was added or removed meanwhile, unless the run made something of that name or removed its folder", async () => {
  await using world = await World.open();
  await world.run(({ out }) => {
    for (const folder of ["d/e", "gone"]) mkdirSync(join(out, folder), { recursive: true });
    writeFileSync(join(out, "a"), "1");
  });
  const { diff } = await world.run(({ out }) => {
    mkdirSync(join(world.live, "new/deep"), { recursive: true });
    for (const name of ["x", "d/e/y", "new/deep/z", "both", "gone/w"]) writeFileSync(join(world.live, name), "by hand");
    rmSync(join(world.live, "a"));
    writeFileSync(join(out, "both"), "run");
    rmSync(join(out, "gone"), { recursive: true });
  });
  expect(listed(diff)).toEqual({ created: ["both"] });
  expect(contentsOf(world.live)).toEqual({
    ...{ both: "run", "d/": "", "d/e/": "", "d/e/y": "by hand" },
    ...{ "new/": "", "new/deep/": "", "new/deep/z": "by hand", x: "by hand" },
  });
  // The next run has all of it.
  await world.run(({ out }) => expect(readdirSync(out)).toEqual(["both", "d", "new", "x"]));
});
