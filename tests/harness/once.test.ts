// A run with the caller's own id happens once and is told truthfully, also where its result cannot be written down.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { AcceptedRun } from "../../src/harness/accept.js";
import { Once } from "../../src/harness/once.js";
import { rejectedResult } from "../../src/harness/result.js";
import { REQUEST_SCHEMA, RunFiles } from "../../src/records/run-files.js";
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

const done = rejectedResult({ userId: "u" }, new Error("no"));

describe("an id of a run that a service took", () => {
  const asked = (dir: string, id: string) => {
    const files = new RunFiles(dir, { ...owner, id });
    onTestFinished(() => files.close());
    const given = {
      userId: "u",
      runId: "r",
      turnId: "r",
      mode: "side-effects",
      scenario: null,
      acceptedAt: "",
    } as const;
    files.accept({ schema: REQUEST_SCHEMA, ...given, owner: id, key: null, request: {}, cut: [] });
    return files;
  };
  const never = () => Promise.reject(new Error("ran"));

  it("is nobody else's while it is under way", async () => {
    const dir = tempDir();
    asked(dir, "fedcba9876543210");
    const once = new Once(new RunIds(dir, owner));
    await expect(once.run(request, never)).rejects.toThrow("is under way in another process");
    expect(await once.find("u", "r")).toBeNull();
  });

  it("has its result when it has ended", async () => {
    const dir = tempDir();
    const result = { ...done, runId: "r" };
    asked(dir, "fedcba9876543210").putResult(result);
    const once = new Once(new RunIds(dir, owner));
    expect(await once.run(request, never)).toEqual(result);
  });

  it("is interrupted when its process died, and free where nobody had heard of the run", async () => {
    const dir = tempDir();
    asked(dir, "fedcba9876543210");
    const once = new Once(new RunIds(dir, { ...owner, isAlive: async (id) => id === owner.id }));
    expect(await once.run(request, never)).toMatchObject({ error: { code: "interrupted" } });
    const other = tempDir();
    asked(other, "fedcba9876543210");
    const [user = ""] = readdirSync(join(other, "runs"));
    const [name = ""] = readdirSync(join(other, "runs", user));
    writeFileSync(join(other, "runs", user, name), '{"schema":"iso-runt');
    expect(await new Once(new RunIds(other, owner)).run(request, async () => done)).toEqual(done);
  });
});
