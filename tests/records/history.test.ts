// The history keeps whole lines, whatever was cut before, and stays within its bound.
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rejectedResult } from "../../src/harness/result.js";
import { History } from "../../src/records/history.js";
import { tempDir } from "../support/temp.js";

const GIVEN = { labels: {}, envNames: [], progName: null };
const result = (userId: string) => rejectedResult({ userId }, new Error("no"));
const usersIn = (file: string) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.startsWith("{") && JSON.parse(line).userId);

it("begins a line of its own after one that a full disk cut short", async () => {
  const dir = tempDir();
  const history = new History(dir);
  history.append(result("a"), GIVEN);
  appendFileSync(join(dir, "history.jsonl"), "cut off");
  history.append(result("b"), GIVEN);
  history.append(result("c"), GIVEN);
  expect(usersIn(join(dir, "history.jsonl"))).toEqual(["a", false, "b", "c"]);
});

it("keeps two files of bounded size, the newest lines last", async () => {
  const dir = tempDir();
  const history = new History(dir, 700);
  const users = Array.from({ length: 20 }, (_, index) => `u${index}`);
  for (const user of users) history.append(result(user), GIVEN);
  expect(readdirSync(dir).every((name) => /^history(\.1)?\.jsonl$/.test(name))).toBe(true);
  const kept = readdirSync(dir).flatMap((name) => usersIn(join(dir, name)));
  expect(kept.length).toBeLessThan(20);
  expect(kept).toContain("u19");
});
