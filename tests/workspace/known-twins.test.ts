// What is not looked at again as this process made it: a commit is right all the same, whatever was done to the workspace between two runs.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { contentsOf, World } from "./fixtures/world.js";

const write = (world: World, name: string, text: string) =>
  world.run(({ out }) => writeFileSync(join(out, name), text));

it("an operator's own entry that was removed by hand does not come back", async () => {
  await using world = await World.open();
  await write(world, "a", "1");
  execFileSync("mkfifo", [join(world.live, "pipe")]);
  await write(world, "a", "2");
  await write(world, "a", "3");
  expect(existsSync(join(world.live, "pipe"))).toBe(true);
  rmSync(join(world.live, "pipe"));
  for (const text of ["4", "5", "6"]) await write(world, "a", text);
  expect(contentsOf(world.live)).toEqual({ a: "6" });
});

it("a twin that went away is made again", async () => {
  await using world = await World.open();
  for (const text of ["1", "2"]) await write(world, "a", text);
  await write(world, "b", "b");
  rmSync(join(world.root, "w/.iso-runtime/twins/u"), { recursive: true });
  await write(world, "a", "3");
  expect(contentsOf(world.live)).toEqual({ a: "3", b: "b" });
});

it("what was changed by hand is in the next commit, and removed by hand is not", async () => {
  await using world = await World.open();
  for (const text of ["1", "2"]) await write(world, "a", text);
  await write(world, "gone", "g");
  writeFileSync(join(world.live, "mine"), "m");
  rmSync(join(world.live, "gone"));
  for (const text of ["3", "4", "5"]) await write(world, "a", text);
  expect(contentsOf(world.live)).toEqual({ a: "5", mine: "m" });
});

it("two stores of one root take turns", async () => {
  await using world = await World.open();
  await using other = await World.open({ workspaceRoot: join(world.root, "w"), sandboxRoot: join(world.root, "s") });
  for (const [at, one] of [world, other, other, world, world, other, world].entries()) {
    await write(one, `f${at}`, String(at));
    await write(one, "last", String(at));
  }
  const names = [0, 1, 2, 3, 4, 5, 6].map((at) => [`f${at}`, String(at)]);
  expect(contentsOf(world.live)).toEqual({ ...Object.fromEntries(names), last: "6" });
  expect(readdirSync(join(world.root, "w/.iso-runtime/twins/u")).length).toBe(8);
});
