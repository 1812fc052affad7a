import { availableParallelism } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission, queueLimits } from "../../src/harness/admission.js";
import { RateLimit } from "../../src/harness/rate-limit.js";

const NEVER = new AbortController().signal;

describe("a rate limit", () => {
  it("lets so many come at once, then one for each share of the time, of each user", () => {
    let now = 5_000;
    const rate = new RateLimit({ count: 3, perMs: 60_000 }, () => now);
    for (const _ of [1, 2, 3]) {
      expect(rate.waitMs("alice")).toBe(0);
      rate.count("alice");
    }
    expect(rate.waitMs("alice")).toBe(20_000);
    expect(rate.waitMs("bob")).toBe(0);
    now += 19_999;
    expect(rate.waitMs("alice")).toBe(1);
    now += 1;
    expect(rate.waitMs("alice")).toBe(0);
    rate.count("alice");
    expect(rate.waitMs("alice")).toBe(20_000);
  });

  it("never lets more through in any time than it says, and says truly when the next one may come", () => {
    const waits = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), waits, (count, pauses) => {
        let now = 0;
        const rate = new RateLimit({ count, perMs: 1000 }, () => now);
        const through: number[] = [];
        for (const pause of pauses) {
          now += pause;
          const waitMs = rate.waitMs("u");
          if (waitMs === 0) {
            rate.count("u");
            through.push(now);
          } else {
            const then = now;
            now = then + waitMs - 0.01;
            expect(rate.waitMs("u")).toBeGreaterThan(0);
            now = then + waitMs + 0.01;
            expect(rate.waitMs("u")).toBe(0);
            now = then;
          }
        }
        // Within any span of `perMs`: those that may come at once, and those that came anew meanwhile.
        for (const [at, from] of through.entries()) {
          const within = through.slice(at).filter((one) => one < from + 1000).length;
          expect(within).toBeLessThanOrEqual(2 * count);
        }
        const last = through.at(-1) ?? 0;
        expect(through.length).toBeLessThanOrEqual(count + Math.floor((last * count) / 1000 + 1e-6));
      }),
    );
  });

  it("knows so many users and no more, the newest of them", () => {
    const rate = new RateLimit({ count: 1, perMs: 1000 }, () => 0);
    for (let user = 0; user < 10_001; user += 1) rate.count(`u${user}`);
    expect(rate.waitMs("u0")).toBe(0);
    for (const user of ["u1", "u10000"]) expect(rate.waitMs(user)).toBe(1000);
  });

  it("forgets users who may ask as if they never had", () => {
    let now = 0;
    const rate = new RateLimit({ count: 1, perMs: 1000 }, () => now);
    for (let user = 0; user < 10_000; user += 1) rate.count(`u${user}`);
    now = 2000;
    rate.count("late");
    expect(rate.waitMs("u1")).toBe(0);
    expect(rate.waitMs("late")).toBe(1000);
  });
});

describe("admission", () => {
  it("refuses what comes too often before it stands in line, and counts why", async () => {
    let now = 0;
    const queue = queueLimits({ atOnce: 1, perUser: 1, queued: 1, queuedPerUser: 1 });
    const admission = new Admission({ queue, rate: { count: 2, perMs: 2000 } }, () => now);
    const ask = () => admission.enter({ userId: "alice", workspace: undefined });
    const first = ask();
    await first.turn(NEVER);
    const second = ask();
    const refused = () => {
      try {
        return ask();
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({
      code: "too_busy",
      retryAfterMs: 1000,
      message: expect.stringContaining("often"),
    });
    now += 1500;
    expect(refused()).toMatchObject({ message: expect.stringContaining("wait already") });
    expect(admission.counts()).toMatchObject({ atWork: 1, queued: 1, refused: 2, tooOften: 1, limits: queue });
    first.leave();
    // What found no room did not count as asked for.
    expect(() => ask()).not.toThrow();
    expect(admission.of("alice")).toEqual({ atWork: 1, queued: 1 });
    second.leave();
  });

  it("knows what a request keeps in memory, however it is nested", () => {
    const admission = new Admission({ queue: queueLimits({ atOnce: 1, perUser: 1 }), rate: null });
    let schema: object = {};
    for (let depth = 0; depth < 100_000; depth += 1) schema = { a: schema };
    const request = { userId: "alice", code: "x".repeat(1000), contract: [{ schema }] };
    admission.enter(request);
    admission.enter(request);
    const { queuedBytes } = admission.counts();
    expect(queuedBytes).toBeGreaterThan(101_000);
    expect(queuedBytes).toBeLessThan(102_000);
  });

  it("gives one user as many places as could compute at once, at most half of all, and at least one", () => {
    const computing = Math.max(2, availableParallelism());
    expect(queueLimits({ atOnce: 1024 })).toMatchObject({ atOnce: 1024, perUser: Math.min(512, computing) });
    expect(queueLimits({ atOnce: 3 })).toMatchObject({ perUser: 2 });
    expect(queueLimits({ atOnce: 1 })).toMatchObject({ perUser: 1 });
    expect(queueLimits().atOnce).toBe(8 * availableParallelism());
  });
});
