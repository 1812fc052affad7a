// A run with the caller's own id happens once and is told truthfully, also where its result cannot be written down.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { AcceptedRun } from "../../src/harness/accept.js";
import { Once } from "../../src/harness/once.js";
import { rejectedResult } from "../../src/harness/result.js";
import { RunIds } from "../../src/records/run-ids.js";
import { tempDir } from "../support/temp.js";

class FullDisk extends RunIds {
  override async finish(): Promise<void> {
    throw Object.assign(new Error("no space"), { code: "ENOSPC" });
  }
}

const request = { ownRunId: true, userId: "u", runId: "r" } as AcceptedRun;
const owner = { id: "0123456789abcdef", isAlive: async () => true };

it("gives the result of a run whose record fails, now and again, and does not run it twice", async () => {
  const once = new Once(new FullDisk(tempDir(), owner));
  const result = rejectedResult({ userId: "u" }, new Error("no"));
  let runs = 0;
  const start = async () => {
    runs += 1;
    return result;
  };
  expect(await once.run(request, start)).toBe(result);
  expect(await once.run(request, start)).toBe(result);
  expect(runs).toBe(1);
});

it("leaves nothing beside the records", async () => {
  const dir = tempDir();
  const once = new Once(new RunIds(dir, owner));
  const result = rejectedResult({ userId: "u" }, new Error("no"));
  await once.run(request, async () => result);
  expect(await once.run(request, () => Promise.reject(new Error("ran twice")))).toEqual(result);
  const [user = ""] = readdirSync(join(dir, "runs"));
  expect(readdirSync(join(dir, "runs", user))).toHaveLength(1);
});
