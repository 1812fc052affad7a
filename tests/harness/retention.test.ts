// What is too old or too much goes, of each user by itself; a process that dies at it, at any step, leaves nothing that stays for ever,
// counts nothing twice and takes no run under way.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { uuidv7 } from "uuidv7";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventBus } from "../../src/comm/event-bus.js";
import { blankResult } from "../../src/harness/result.js";
import type { RunHistory } from "../../src/harness/run-history.js";
import { onStep } from "../../src/model/steps.js";
import { openHistory } from "../support/history.js";
import { tempDir } from "../support/temp.js";

const KEY = { digest: "0".repeat(64), fingerprint: "f" };
const DAY_MS = 86_400_000;

function take(
  history: RunHistory,
  userId: string,
  { days = 0, code = "1", key = null as typeof KEY | null } = {},
): string {
  const runId = uuidv7();
  const acceptedAt = new Date(Date.now() - days * DAY_MS).toISOString();
  const asked = { request: { code }, cut: [] };
  if (key !== null) expect(history.claimKey(userId, key, runId)).toBe(null);
  const events = new EventBus();
  const run = { runId, userId, turnId: runId, mode: "side-effects" as const, scenario: null, acceptedAt };
  history.accepted({ ...run, key, asked }, events);
  return runId;
}

function end(history: RunHistory, userId: string, runId: string): void {
  const events = new EventBus();
  events.open(runId);
  const result = { ...blankResult({ userId, runId }), ok: true, status: "succeeded" as const };
  events.emit({ type: "run.finished", result });
  history.ended(result, events);
}

const done = (history: RunHistory, userId: string, options: Parameters<typeof take>[2] = {}): string => {
  const runId = take(history, userId, options);
  end(history, userId, runId);
  return runId;
};

const idsOf = async (history: RunHistory, userId: string) =>
  (await history.list(userId, { limit: 100 })).map(({ runId }) => runId);
const runsOf = async (history: RunHistory, userId: string) =>
  (await history.usage(userId, "0000", "9999")).rows.reduce((sum, { runs }) => sum + runs, 0);
const filesIn = (dir: string) =>
  readdirSync(join(dir, "runs")).flatMap((user) =>
    readdirSync(join(dir, "runs", user)).map((name) => `${user}/${name}`),
  );

describe("what is kept", () => {
  it("is what is young enough", async () => {
    const dir = tempDir();
    const history = await openHistory(dir, { keep: { days: 2 } });
    const old = done(history, "a", { days: 3, key: KEY });
    const underWay = take(history, "a", { days: 3 });
    const young = done(history, "b", { days: 1 });
    expect(await history.cleanUp()).toBe(1);
    expect(await idsOf(history, "a")).toEqual([underWay]);
    expect(await idsOf(history, "b")).toEqual([young]);
    expect(await history.result("a", old)).toBe(null);
    expect(history.record("a", old)).toBe(null);
    expect(history.claimKey("a", KEY, "another")).toBe(null);
    // The key, the run under way, and the three files of the young one.
    expect(filesIn(dir)).toHaveLength(5);
  });

  it("is as many of each user as there may be, and one user's many push out nobody's few", async () => {
    const history = await openHistory(tempDir(), { keep: { runs: 3 } });
    const few = [done(history, "few"), done(history, "few")].reverse();
    const many = Array.from({ length: 120 }, () => done(history, "many")).reverse();
    expect(await history.cleanUp()).toBe(117);
    expect(await idsOf(history, "many")).toEqual(many.slice(0, 3));
    expect(await idsOf(history, "few")).toEqual(few);
    expect(await runsOf(history, "many")).toBe(120);
  });

  it("is as much of each user as there may be, and the newest in any case", async () => {
    const history = await openHistory(tempDir(), { keep: { bytes: 10_000 } });
    const runs = Array.from({ length: 8 }, () => done(history, "a", { code: "x".repeat(1000) })).reverse();
    const huge = done(history, "b", { code: "x".repeat(50_000) });
    expect(await history.cleanUp()).toBeGreaterThan(3);
    const kept = await idsOf(history, "a");
    expect(kept).toEqual(runs.slice(0, kept.length));
    expect(kept.length).toBeGreaterThan(1);
    expect(await idsOf(history, "b")).toEqual([huge]);
  });
});

it("answers while runs keep coming, with all that had ended before", async () => {
  const history = await openHistory(tempDir());
  let isComing = true;
  const coming = (async () => {
    for (let at = 0; isComing && at < 2000; at += 1) {
      done(history, "other");
      await new Promise(setImmediate);
    }
    return isComing;
  })();
  const mine = [done(history, "a"), done(history, "a")].reverse();
  expect(await idsOf(history, "a")).toEqual(mine);
  isComing = false;
  expect(await coming).toBe(false);
});

class Died extends Error {}

describe("a process that dies while it removes a run", () => {
  it.each(["retention.counted", "retention.forgotten", "retention.removed"])(
    "at %s: the next one finishes it",
    async (at) => {
      const dir = tempDir();
      const history = await openHistory(dir, { keep: { runs: 1 }, logged: [] });
      for (const key of [KEY, null, null]) done(history, "a", { key });
      await idsOf(history, "a");
      onTestFinished(() => onStep(null));
      onStep((name) => {
        if (name === at) throw new Died();
      });
      await history.cleanUp();
      onStep(null);
      await history.close();
      const next = await openHistory(dir, { id: "fedcba9876543210", keep: { runs: 2 } });
      expect(await idsOf(next, "a")).toHaveLength(2);
      expect(await runsOf(next, "a")).toBe(3);
      await next.cleanUp();
      expect(await runsOf(next, "a")).toBe(3);
      expect(filesIn(dir)).toHaveLength(6);
    },
  );

  it("and loses the index too: nothing is counted twice, and nothing comes back", async () => {
    const dir = tempDir();
    const history = await openHistory(dir, { keep: { runs: 1 } });
    for (const _ of [1, 2]) done(history, "a");
    await idsOf(history, "a");
    onTestFinished(() => onStep(null));
    onStep((name) => {
      if (name === "retention.counted") throw new Died();
    });
    await history.cleanUp();
    onStep(null);
    await history.close();
    for (const name of readdirSync(dir)) if (name.startsWith("history.db")) rmSync(join(dir, name));
    const next = await openHistory(dir, { id: "fedcba9876543210" });
    expect(await idsOf(next, "a")).toHaveLength(1);
    expect(await runsOf(next, "a")).toBe(2);
  });
});
