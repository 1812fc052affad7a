import { setMaxListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FairQueue, type Place, type QueueLimits } from "../../src/harness/fair-queue.js";

const LIMITS: QueueLimits = {
  ...{ atOnce: 4, perUser: 2, perUserBeside: 2, undisturbedMs: 0, queued: 1000, queuedPerUser: 1000 },
  ...{ queuedBytes: 1e9, queuedBytesPerUser: 1e9 },
};
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);
const settle = () => new Promise(setImmediate);

/** Asks for places and notes in which order they are had. */
class Line {
  readonly queue: FairQueue;
  readonly served: string[] = [];
  readonly refused: string[] = [];
  readonly #places = new Map<string, Place>();
  nowMs = 1000;

  constructor(limits: Partial<QueueLimits> = {}) {
    this.queue = new FairQueue({ ...LIMITS, ...limits }, () => this.nowMs);
  }

  /** `name` begins with the user's, one letter. */
  ask(name: string, lane: string | null = null, { bytes = 1, signal = NEVER } = {}): void {
    const place = this.queue.enter({ user: name.charAt(0), lane, bytes });
    this.#places.set(name, place);
    place.turn(signal).then(
      () => this.served.push(name),
      () => this.refused.push(name),
    );
  }

  leave(name: string): void {
    this.#places.get(name)?.leave();
  }

  async end(...names: string[]): Promise<void> {
    for (const name of names) this.leave(name);
    await settle();
  }
}

const names = (user: string, count: number) => Array.from({ length: count }, (_, at) => `${user}${at}`);

describe("the fair queue", () => {
  it("gives places by turns: a thousand runs of one user do not delay another's one", async () => {
    const line = new Line();
    for (const name of names("a", 1000)) line.ask(name);
    await settle();
    expect(line.served).toEqual(["a0", "a1"]);
    line.ask("b0");
    await settle();
    // One user never has all places.
    expect(line.served).toEqual(["a0", "a1", "b0"]);
    for (const name of ["c0", "c1", "d0"]) line.ask(name);
    for (const name of ["a0", "b0", "a1"]) await line.end(name);
    // A user that had a place stands behind the others.
    expect(line.served.slice(3)).toEqual(["c0", "a2", "c1", "d0"]);
  });

  it("leaves room beside a user for others while they ask, and for a while after", async () => {
    const line = new Line({ perUser: 3, perUserBeside: 1 });
    for (const name of names("a", 9)) line.ask(name);
    await settle();
    expect(line.served).toEqual(["a0", "a1", "a2"]);
    line.ask("b0");
    await line.end("a0", "a1");
    expect(line.served).toEqual(["a0", "a1", "a2", "b0"]);
    await line.end("b0");
    line.nowMs += 4_000;
    await line.end("a2");
    expect(line.served.slice(4)).toEqual(["a3"]);
    line.nowMs += 2_000;
    await line.end("a3");
    expect(line.served.slice(5)).toEqual(["a4", "a5", "a6"]);
  });

  describe("a run that is its user's only one", () => {
    const limits = { atOnce: 16, perUser: 2, perUserBeside: 1, undisturbedMs: 50 };
    const busy = async () => {
      const line = new Line(limits);
      for (const name of names("a", 6)) line.ask(name);
      await settle();
      line.ask("b0");
      await line.end("a0", "a1");
      expect(line.served).toEqual(["a0", "a1", "b0"]);
      return line;
    };

    it("is not joined by those of a user with more, until it is over", async () => {
      const line = await busy();
      await line.end("b0");
      expect(line.served.slice(3)).toEqual(["a2"]);
    });

    it("is joined once it takes longer, by itself", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      onTestFinished(() => void vi.useRealTimers());
      const line = await busy();
      line.nowMs += 49;
      await vi.advanceTimersByTimeAsync(49);
      expect(line.served.slice(3)).toEqual([]);
      line.nowMs += 1;
      await vi.advanceTimersByTimeAsync(1);
      expect(line.served.slice(3)).toEqual(["a2"]);
    });

    it("keeps nobody waiting longer than one may, however many there are", async () => {
      const line = await busy();
      for (const [at, user] of ["c", "d", "e", "f"].entries()) {
        line.nowMs += 20;
        line.ask(`${user}0`);
        await settle();
        expect(line.served.includes("a2")).toBe(at >= 2);
        await line.end(at === 0 ? "b0" : `${"cde".charAt(at - 1)}0`);
      }
      expect(line.served.slice(3)).toEqual(["c0", "d0", "e0", "a2", "f0"]);
    });

    it("is joined by others' only ones, and by all where there is room", async () => {
      const line = await busy();
      line.ask("c0");
      await settle();
      expect(line.served.slice(3)).toEqual(["c0"]);
      const roomy = new Line({ ...limits, perUserBeside: 4, perUser: 4 });
      for (const name of ["b0", "a0", "a1", "a2"]) roomy.ask(name);
      await settle();
      expect(roomy.served).toEqual(["b0", "a0", "a1", "a2"]);
    });

    it("costs a user no more than half of the time, whatever it asks for", async () => {
      const line = new Line({ ...limits, perUser: 9, perUserBeside: 9, atOnce: 32 });
      for (const name of [...names("c", 8), "a0"]) line.ask(name);
      line.ask("b0");
      for (const name of names("a", 5).slice(1)) line.ask(name);
      await settle();
      expect(line.served.slice(9)).toEqual(["b0"]);
      line.nowMs += 50;
      line.ask("d0");
      await settle();
      // As long as it waited it does not wait again.
      expect(line.served.slice(10).sort()).toEqual(["a1", "a2", "a3", "a4", "d0"]);
    });

    it("has nobody refused who would have a place", async () => {
      const line = new Line({ ...limits, queuedPerUser: 0 });
      line.ask("a0");
      line.ask("b0");
      await line.end("a0");
      line.ask("c0");
      const roomy = new Line({ ...limits, perUser: 4, perUserBeside: 2, queuedPerUser: 0 });
      for (const name of ["b0", "a0", "a1"]) roomy.ask(name);
      await settle();
      expect(roomy.served).toEqual(["b0", "a0", "a1"]);
    });

    it("is as any other where its user has a second one", async () => {
      const line = new Line(limits);
      for (const name of ["a0", "b0", "b1", "a1"]) line.ask(name);
      await line.end("a0");
      expect(line.served).toEqual(["a0", "b0", "a1"]);
    });
  });

  it("serves who waited first where time alone made room", async () => {
    const line = new Line({ atOnce: 16, perUser: 2, perUserBeside: 1 });
    line.ask("a0");
    line.ask("b0");
    line.ask("a1");
    await line.end("b0");
    expect(line.served).toEqual(["a0", "b0"]);
    line.nowMs += 600_000;
    line.ask("a2");
    await settle();
    expect(line.served.slice(2)).toEqual(["a1"]);
    await line.end("a0");
    expect(line.served.slice(3)).toEqual(["a2"]);
  });

  it("looks by itself whether time made room", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const line = new Line({ atOnce: 16, perUser: 2, perUserBeside: 1 });
    for (const name of ["a0", "b0", "a1"]) line.ask(name);
    line.leave("b0");
    line.nowMs += 6_000;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(line.served).toEqual(["a0", "b0", "a1"]);
  });

  it("serves a user's own in the order of asking", async () => {
    const line = new Line({ atOnce: 1, perUser: 1, perUserBeside: 1 });
    for (const name of names("a", 5)) line.ask(name);
    for (const name of names("a", 5)) await line.end(name);
    expect(line.served).toEqual(names("a", 5));
    expect(line.queue.counts()).toMatchObject({ atWork: 0, queued: 0, queuedBytes: 0, users: 0 });
  });

  it("gives no place to a run that would only wait for its workspace", async () => {
    const line = new Line();
    line.ask("a0", "w");
    line.ask("a1", "w");
    line.ask("a2", "other");
    line.ask("b0", "w");
    await settle();
    expect(line.served).toEqual(["a0", "a2", "b0"]);
    await line.end("a2");
    expect(line.served).toHaveLength(3);
    await line.end("a0");
    expect(line.served.at(-1)).toBe("a1");
  });

  it("refuses who would wait where the line is full, of one user and of all, and says when to ask again", async () => {
    const line = new Line({ atOnce: 2, perUser: 1, perUserBeside: 1, queued: 3, queuedPerUser: 2 });
    for (const name of [...names("a", 3), "b0"]) line.ask(name);
    await settle();
    expect(line.served).toEqual(["a0", "b0"]);
    const refusal = (name: string) => {
      try {
        line.ask(name);
      } catch (error) {
        return error;
      }
      return null;
    };
    expect(refusal("a3")).toMatchObject({ code: "too_busy", retryAfterMs: 1000 });
    line.ask("b1");
    expect(refusal("c0")).toMatchObject({ code: "too_busy" });
    expect(line.queue.counts()).toMatchObject({ atWork: 2, queued: 3, refused: 2, users: 2 });
    line.nowMs += 20_000;
    await line.end("b0");
    expect(line.served.at(-1)).toBe("b1");
    // Runs took 20 s, one at a time of this user: so long until the next one of its line begins.
    expect(refusal("a3")).toMatchObject({ code: "too_busy", retryAfterMs: 20_000 });
    line.nowMs += 3600_000;
    await line.end("b1");
    expect(refusal("a3")).toMatchObject({ retryAfterMs: 60_000 });
    expect(line.queue.of("a")).toEqual({ atWork: 1, queued: 2 });
    expect(line.queue.of("nobody")).toEqual({ atWork: 0, queued: 0 });
  });

  it("bounds what those that wait keep in memory, and takes a large one that need not wait", async () => {
    const line = new Line({ atOnce: 2, perUser: 1, perUserBeside: 1, queuedBytes: 15, queuedBytesPerUser: 10 });
    line.ask("a0", null, { bytes: 1000 });
    line.ask("a1", null, { bytes: 10 });
    expect(() => line.ask("a2")).toThrow("of this user wait");
    line.ask("b0");
    line.ask("b1", null, { bytes: 5 });
    expect(() => line.ask("b2")).toThrow("wait already");
    await line.end("a0");
    expect(line.queue.counts()).toMatchObject({ queuedBytes: 5 });
    line.ask("b2");
  });

  it("lets go of one whose signal aborts, before and while it waits", async () => {
    const line = new Line({ atOnce: 1 });
    const cancel = new AbortController();
    line.ask("a0");
    line.ask("a1", null, { signal: cancel.signal });
    line.ask("a2");
    cancel.abort(new Error("enough"));
    await settle();
    expect(line.refused).toEqual(["a1"]);
    expect(line.queue.counts()).toMatchObject({ atWork: 1, queued: 1 });
    line.ask("a3", null, { signal: cancel.signal });
    await line.end("a3", "a3", "a0");
    expect(line.served).toEqual(["a0", "a2"]);
    await line.end("a0", "a1", "a2");
    expect(line.queue.counts()).toMatchObject({ atWork: 0, queued: 0, users: 0 });
  });

  it("keeps a place that was had and given up before anybody asked whose turn it is", async () => {
    const line = new Line({ atOnce: 1 });
    const first = line.queue.enter({ user: "a", lane: null, bytes: 0 });
    const second = line.queue.enter({ user: "a", lane: null, bytes: 0 });
    const third = line.queue.enter({ user: "b", lane: null, bytes: 0 });
    second.leave();
    await expect(second.turn(NEVER)).rejects.toMatchObject({ code: "cancelled" });
    first.leave();
    await third.turn(NEVER);
    expect(line.queue.counts()).toMatchObject({ atWork: 1, queued: 0 });
  });
});

interface Run {
  readonly user: string;
  readonly lane: string | null;
  readonly place: Place;
  state: "waits" | "works";
}

const USERS = ["a", "b", "c"];

describe("whatever is asked for and given up, in any order", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ user: fc.constantFrom(...USERS), lane: fc.constantFrom(null, "x", "y") }) },
      { weight: 2, arbitrary: fc.nat(50) },
    ),
    { maxLength: 80 },
  );
  const limits = fc.record({ atOnce: fc.integer({ min: 1, max: 5 }), perUser: fc.integer({ min: 1, max: 4 }) });

  it("keeps each limit, leaves no place empty that somebody could have, passes nobody over twice, and loses nobody", async () => {
    await fc.assert(
      fc.asyncProperty(limits, steps, async ({ atOnce, perUser }, given) => {
        const queue = new FairQueue({ ...LIMITS, atOnce, perUser, perUserBeside: perUser });
        const runs: Run[] = [];
        const faults: unknown[] = [];
        /** Of users that could have had a place: how often each other one had one since. */
        const overtaken = new Map<string, Map<string, number>>();
        const works = () => runs.filter(({ state }) => state === "works");
        const mayHave = ({ user, lane }: Run) =>
          works().filter((run) => run.user === user).length < perUser &&
          !works().some((run) => run.user === user && lane !== null && run.lane === lane);
        const waiting = () => runs.filter(({ state }) => state === "waits");
        const begin = async (run: Run) => {
          await run.place.turn(NEVER);
          const earlier = waiting().find((one) => one.user === run.user && one.lane === run.lane);
          expect(earlier ?? run).toBe(run);
          const couldToo = new Set(
            waiting()
              .filter((one) => one.user !== run.user && mayHave(one))
              .map((one) => one.user),
          );
          for (const user of USERS) {
            if (!couldToo.has(user)) overtaken.delete(user);
            else {
              const by = overtaken.get(user) ?? new Map<string, number>();
              by.set(run.user, (by.get(run.user) ?? 0) + 1);
              overtaken.set(user, by);
              expect(by.get(run.user)).toBeLessThanOrEqual(1);
            }
          }
          overtaken.delete(run.user);
          run.state = "works";
        };
        for (const step of given) {
          if (typeof step === "number") {
            const [run] = runs.splice(step % Math.max(1, runs.length), 1);
            run?.place.leave();
          } else {
            const run: Run = { ...step, place: queue.enter({ ...step, bytes: 1 }), state: "waits" };
            runs.push(run);
            begin(run).catch((error) => faults.push(error));
          }
          await settle();
          if (faults.length > 0) throw faults[0];
          expect(works().length).toBeLessThanOrEqual(atOnce);
          for (const user of USERS)
            expect(works().filter((run) => run.user === user).length).toBeLessThanOrEqual(perUser);
          const lanes = works().flatMap(({ user, lane }) => (lane === null ? [] : [`${user} ${lane}`]));
          expect(new Set(lanes).size).toBe(lanes.length);
          if (works().length < atOnce) expect(waiting().filter(mayHave)).toEqual([]);
          // Who gives up and asks again stands behind the others, and has been passed by nobody.
          for (const user of USERS) {
            if (!waiting().some((run) => run.user === user && mayHave(run))) overtaken.delete(user);
          }
          expect(queue.counts()).toMatchObject({ atWork: works().length, queued: waiting().length });
        }
        while (runs.length > 0) {
          if (faults.length > 0) throw faults[0];
          const [run] = works();
          expect(run).toBeDefined();
          runs.splice(runs.indexOf(run as Run), 1);
          run?.place.leave();
          await settle();
        }
        expect(queue.counts()).toMatchObject({ atWork: 0, queued: 0, queuedBytes: 0, users: 0 });
      }),
      { numRuns: 300 },
    );
  });

  it("keeps no place empty for longer than a run may be undisturbed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const undisturbedMs = 50;
    await fc.assert(
      fc.asyncProperty(limits, steps, async ({ atOnce, perUser }, given) => {
        let nowMs = 0;
        const queue = new FairQueue(
          { ...LIMITS, atOnce, perUser, perUserBeside: Math.max(1, perUser - 1), undisturbedMs },
          () => nowMs,
        );
        const runs: Run[] = [];
        const at = (state: Run["state"]) => runs.filter((run) => run.state === state);
        const mayHave = ({ user, lane }: Run) =>
          at("works").filter((run) => run.user === user).length < Math.max(1, perUser - 1) &&
          !at("works").some((run) => run.user === user && lane !== null && run.lane === lane);
        for (const [count, step] of given.entries()) {
          if (typeof step === "number") runs.splice(step % Math.max(1, runs.length), 1)[0]?.place.leave();
          else {
            const run: Run = { ...step, place: queue.enter({ ...step, bytes: 1 }), state: "waits" };
            runs.push(run);
            run.place.turn(NEVER).then(
              () => {
                run.state = "works";
              },
              () => undefined,
            );
          }
          await settle();
          expect(at("works").length).toBeLessThanOrEqual(atOnce);
          // Now and then time stands still, so that several are held back at once.
          if (count % 3 > 0) continue;
          nowMs += undisturbedMs;
          await vi.advanceTimersByTimeAsync(undisturbedMs);
          await settle();
          if (at("works").length < atOnce) expect(at("waits").filter(mayHave)).toEqual([]);
          expect(queue.counts()).toMatchObject({ atWork: at("works").length, queued: at("waits").length });
        }
      }),
      { numRuns: 300 },
    );
  });
});
