// Where the daemon gets the runner from.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { removeRunnerCopy, runnerFor } from "../../../src/sandbox/docker/runner-copy.js";
import { tempFiles } from "../../support/temp.js";
import { makeContext } from "./bed.js";

function place(...mapped: string[]) {
  const dir = tempFiles({ "python/iso_runner/__main__.py": "1", "python/iso_runner/__pycache__/x.pyc": "" });
  const [runnerDir, slotsDir] = [join(dir, "python"), join(dir, "slots")];
  mkdirSync(slotsDir, { mode: 0o700 });
  const hostPathMap = mapped.map((name) => ({ from: join(dir, name), to: `/host/${name}` }));
  return { ...makeContext({ hostPathMap }), runnerDir, slotsDir };
}

it("is the installed one where paths are the same, or the map has it", () => {
  for (const context of [place(), place("python"), place("slots", "python/iso_runner")]) {
    expect(runnerFor(context)).toBe(join(context.runnerDir, "iso_runner"));
    expect(readdirSync(context.slotsDir)).toEqual([]);
  }
});

it("is a copy beside the sandboxes' folders where the map leaves it out, made once, readable for all, gone at the end", async () => {
  const context = place("slots");
  const umask = process.umask(0o077);
  const copy = runnerFor(context);
  process.umask(umask);
  expect(copy.startsWith(`${context.slotsDir}/${context.instance.id}-`)).toBe(true);
  expect(readdirSync(copy)).toEqual(["__main__.py"]);
  expect(readFileSync(join(copy, "__main__.py"), "utf8")).toBe("1");
  const modes = [join(copy, ".."), copy, join(copy, "__main__.py")].map((path) => statSync(path).mode & 0o777);
  expect(modes).toEqual([0o755, 0o755, 0o644]);
  expect(runnerFor(context)).toBe(copy);
  await removeRunnerCopy(context);
  expect(existsSync(join(copy, ".."))).toBe(false);
});
