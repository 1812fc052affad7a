// What is written behind the runs waits while one is under way, but not for long, and for nobody who asks.
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HistoryWriter } from "../../src/harness/history-writer.js";
import { REQUEST_SCHEMA, RunFiles } from "../../src/records/run-files.js";
import { RunIndex } from "../../src/records/run-index.js";
import { tempDir } from "../support/temp.js";

function opened() {
  const dir = tempDir();
  const files = new RunFiles(dir, { id: "0123456789abcdef", isAlive: async () => true });
  const index = new RunIndex(join(dir, "history.db"));
  onTestFinished(async () => {
    index.close();
    await files.close();
  });
  const state = { isBusy: true };
  const fail = (error: unknown) => {
    throw error;
  };
  const writer = new HistoryWriter({ files, index, log: fail, onDamage: fail, isBusy: () => state.isBusy });
  const add = (runId: string) => {
    const taken = { runId, userId: "u", turnId: "t", mode: "side-effects", scenario: null, acceptedAt: "now" } as const;
    writer.add({
      record: { schema: REQUEST_SCHEMA, ...taken, owner: "0123456789abcdef", key: null, request: {}, cut: [] },
      ended: null,
    });
  };
  return { writer, state, add, has: (runId: string) => index.get("u", runId) !== null };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it("waits for the run to end, and then no more", async () => {
  const { state, add, has } = opened();
  add("one");
  await sleep(250);
  expect(has("one")).toBe(false);
  state.isBusy = false;
  await expect.poll(() => has("one"), { timeout: 200 }).toBe(true);
});

it("does not wait for a run that goes on and on", async () => {
  const { add, has } = opened();
  add("one");
  await expect.poll(() => has("one"), { timeout: 3000 }).toBe(true);
});

it("does not let more pile up than go at once, nor whoever looks wait", async () => {
  const { writer, add, has } = opened();
  for (let count = 0; count < 100; count += 1) add(`run-${count}`);
  await expect.poll(() => has("run-99"), { timeout: 350 }).toBe(true);
  add("last");
  const startedAt = performance.now();
  await writer.settled();
  expect(has("last")).toBe(true);
  expect(performance.now() - startedAt).toBeLessThan(90);
});
