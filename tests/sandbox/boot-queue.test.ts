import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BootQueue, type Turn } from "../../src/sandbox/boot-queue.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);

/** Turns in the order they came, each with its end; `ask` says who and what. */
class Line {
  readonly queue: BootQueue<string, string>;
  readonly came: { item: string; turn: Turn<string> }[] = [];
  readonly refused: { item: string; why: unknown }[] = [];

  constructor(atOnce: number) {
    this.queue = new BootQueue(atOnce);
  }

  ask(who: string, item: string, signal?: AbortSignal): void {
    this.queue.turn(who, item, signal).then(
      (turn) => this.came.push({ item, turn }),
      (why) => this.refused.push({ item, why }),
    );
  }

  get items(): string[] {
    return this.came.map(({ item }) => item);
  }

  end(item: string): void {
    const turn = this.came.find((one) => one.item === item)?.turn;
    if (turn && "end" in turn) turn.end();
  }
}

describe("BootQueue", () => {
  it("begins so many at once, tenants by turns, and each tenant's in the order of asking", async () => {
    const line = new Line(2);
    for (const item of ["a1", "a2", "a3", "a4"]) line.ask("a", item);
    for (const item of ["b1", "b2"]) line.ask("b", item);
    await settle();
    // One place is never the same tenant's.
    expect(line.items).toEqual(["a1", "b1"]);
    for (const [ended, next] of [
      ["a1", "a2"],
      ["b1", "b2"],
      ["b2", undefined],
      ["a2", "a3"],
    ]) {
      line.end(ended as string);
      await settle();
      expect(line.items.at(-1)).toBe(next ?? "b2");
    }
    expect(line.queue.waiting).toBe(1);
  });

  it("puts a tenant who had a turn behind the others, though it asked for many before them", async () => {
    const line = new Line(3);
    for (const item of ["a1", "a2", "a3", "a4", "a5"]) line.ask("a", item);
    for (const item of ["b1", "b2", "c1"]) line.ask(item[0] ?? "", item);
    await settle();
    expect(line.items).toEqual(["a1", "a2", "b1"]);
    for (const item of ["a1", "a2", "a3", "b1", "b2"]) {
      line.end(item);
      await settle();
    }
    expect(line.items.slice(3)).toEqual(["a3", "b2", "c1", "a4", "a5"]);
  });

  it("takes out whoever is cancelled, and nobody loses a turn by it", async () => {
    const line = new Line(2);
    const cancel = new AbortController();
    line.ask("a", "a1");
    line.ask("b", "b1");
    line.ask("a", "a2", cancel.signal);
    line.ask("a", "a3");
    cancel.abort(new Error("left"));
    line.ask("c", "c1", cancel.signal);
    await settle();
    expect(line.refused.map(({ item, why }) => [item, (why as Error).message])).toEqual([
      ["a2", "left"],
      ["c1", "left"],
    ]);
    line.end("a1");
    await settle();
    expect(line.items).toEqual(["a1", "b1", "a3"]);
    expect(line.queue.waiting).toBe(0);
  });

  it("offers what there is to the first who has a use for it", async () => {
    const line = new Line(1);
    for (const who of ["a", "b", "c"]) line.ask(who, `${who}1`);
    await settle();
    expect(line.queue.offer("gift", (item) => item !== "b1")).toBe(true);
    expect(line.queue.offer("gift", () => false)).toBe(false);
    await settle();
    expect(line.came[1]).toEqual({ item: "c1", turn: { given: "gift" } });
  });

  it("goes on after a boot that takes very long, once for each", async () => {
    const line = new Line(1);
    for (const item of ["a1", "a2", "a3"]) line.ask("a", item);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(line.items).toEqual(["a1"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(line.items).toEqual(["a1", "a2"]);
    line.end("a1");
    await settle();
    expect([line.items.length, line.queue.underWay]).toEqual([2, 1]);
  });

  it("tells all who wait when it is closed, and all who come later", async () => {
    const line = new Line(1);
    for (const item of ["a1", "a2"]) line.ask("a", item);
    line.queue.close(new Error("closed"));
    line.ask("b", "b1");
    await settle();
    expect(line.refused.map(({ item }) => item)).toEqual(["a2", "b1"]);
    line.end("a1");
    await settle();
    expect(line.items).toEqual(["a1"]);
  });

  it("never begins more than it may, lets nobody wait for ever, and passes over no tenant twice", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ ask: fc.constantFrom("a", "b", "c", "d") }) },
      { weight: 3, arbitrary: fc.record({ end: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ cancel: fc.nat(20) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), async (atOnce, steps) => {
        const line = new Line(atOnce);
        const signals = new Map<string, AbortController>();
        const under: string[] = [];
        const waiting: string[] = [];
        let seen = 0;
        const look = async () => {
          await settle();
          const begun = line.items.slice(seen);
          seen = line.items.length;
          for (const item of begun) {
            // Its tenant's own are begun in the order of asking.
            expect(waiting.filter((other) => other[0] === item[0])[0]).toBe(item);
            waiting.splice(waiting.indexOf(item), 1);
            under.push(item);
          }
          expect(under.length).toBeLessThanOrEqual(atOnce);
          // A place is free only where the others are one tenant's, or nobody waits.
          const whose = new Set(under.map((item) => item[0]));
          const others = waiting.filter((item) => !(whose.size === 1 && whose.has(item[0])));
          if (under.length < atOnce && others.length > 0) expect.fail(`${others} wait beside ${under}`);
        };
        let asked = 0;
        for (const one of steps) {
          if ("ask" in one) {
            const item = `${one.ask}${asked++}`;
            const cancel = new AbortController();
            signals.set(item, cancel);
            waiting.push(item);
            line.ask(one.ask, item, cancel.signal);
          } else if ("end" in one && under.length > 0) {
            const [item = ""] = under.splice(one.end % under.length, 1);
            line.end(item);
          } else if ("cancel" in one && waiting.length > 0) {
            const [item = ""] = waiting.splice(one.cancel % waiting.length, 1);
            signals.get(item)?.abort(new Error("left"));
          }
          await look();
        }
        // Whoever waits now is served before any tenant has had three more turns of those that end from here on.
        for (const served = new Map<string, number>(); under.length > 0; ) {
          const tenants = new Set(waiting.map((item) => item[0] ?? ""));
          const from = line.items.length;
          line.end(under.shift() ?? "");
          await look();
          for (const item of line.items.slice(from)) {
            const who = item[0] ?? "";
            served.set(who, (served.get(who) ?? 0) + 1);
            for (const other of tenants) {
              const still = waiting.some((one) => one[0] === other);
              if (still) expect((served.get(who) ?? 0) - (served.get(other) ?? 0)).toBeLessThanOrEqual(2);
            }
          }
        }
        expect([waiting, line.queue.waiting, line.queue.underWay]).toEqual([[], 0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
