// Whatever happens in whatever order: no sandbox is had twice or by another tenant, never more boots or waiting ones than may be,
// nobody waits for ever, and nothing is left after the end.
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Sandbox } from "../../src/sandbox/backend.js";
import { MemoryBudget } from "../../src/sandbox/memory-budget.js";
import { SandboxPool } from "../../src/sandbox/pool.js";
import { count } from "../support/soak.js";
import { type CountingBackend, PROFILE, TenantBackend, CountingBackend as Untenanted } from "./counting-backend.js";

const PROCESSORS = 2;
const MOST_BOOTS = 2 * PROCESSORS;

const tenant = fc.constantFrom("a", "b", "c");
const Step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ ask: tenant, profile: fc.constantFrom("p", "q") }) },
  { weight: 6, arbitrary: fc.record({ finish: fc.nat(10) }) },
  { weight: 4, arbitrary: fc.record({ retire: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ fail: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ giveBack: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ die: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ cancel: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ outdate: tenant }) },
  { weight: 2, arbitrary: fc.record({ pass: fc.constantFrom(5, 50, 500, 30_000, 4_000_000) }) },
  { weight: 1, arbitrary: fc.constant({ warm: true as const }) },
);
type Step = typeof Step extends fc.Arbitrary<infer T> ? T : never;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Model {
  readonly pool: SandboxPool;
  readonly backend: CountingBackend;
  readonly bytes: number;
  readonly held: Sandbox[] = [];
  readonly ever = new Set<Sandbox>();
  readonly unused = new Set<Sandbox>();
  readonly asking: AbortController[] = [];
  waiting = 0;
  #stuck = false;

  constructor(backend: CountingBackend, warm: number, bytes: number) {
    this.backend = backend;
    this.bytes = bytes;
    backend.holds = true;
    this.pool = new SandboxPool({ warm, processors: PROCESSORS, budget: new MemoryBudget(bytes) });
  }

  async apply(step: Step): Promise<void> {
    const pick = <T>(all: readonly T[], at: number): T | undefined => all[at % Math.max(1, all.length)];
    if ("ask" in step) this.#ask(step.ask, step.profile);
    else if ("finish" in step) pick(this.backend.underWay, step.finish)?.finish();
    else if ("fail" in step) pick(this.backend.underWay, step.fail)?.fail();
    else if ("die" in step) pick(this.backend.booted, step.die)?.die();
    else if ("cancel" in step) pick(this.asking, step.cancel)?.abort(new Error("left"));
    else if ("warm" in step) void this.pool.warm(this.backend, PROFILE);
    else if ("outdate" in step) this.#outdate(step.outdate);
    else if ("retire" in step || "giveBack" in step) {
      const sandbox = pick(this.held, "retire" in step ? step.retire : step.giveBack);
      if (sandbox === undefined) return;
      this.held.splice(this.held.indexOf(sandbox), 1);
      if ("retire" in step) this.pool.retire(sandbox);
      else {
        this.unused.add(sandbox);
        this.pool.giveBack(sandbox);
      }
    } else {
      const isLong = step.pass > 5_000;
      const before = this.backend.underWay.length;
      await vi.advanceTimersByTimeAsync(step.pass);
      // Some may take longer than anybody's patience, and more of them begin.
      if (isLong && before + this.backend.underWay.length > 0) this.#stuck = true;
    }
    await vi.advanceTimersByTimeAsync(0);
    this.check();
  }

  check(): void {
    const { underWay, living, waitingBytes } = this.backend;
    if (!this.#stuck) {
      expect(underWay.length).toBeLessThanOrEqual(MOST_BOOTS + PROCESSORS);
      if (this.waiting > 0) expect(underWay.length, "somebody waits, and nothing is done").toBeGreaterThan(0);
    }
    const idle = living.length - this.held.length;
    expect(idle * waitingBytes).toBeLessThanOrEqual(this.bytes + this.unused.size * waitingBytes);
  }

  /** All boots go on, and in the end everybody has one. */
  async end(): Promise<void> {
    this.backend.holds = false;
    for (let rounds = 0; this.waiting > 0; rounds += 1) {
      for (const boot of [...this.backend.underWay]) boot.finish();
      await vi.advanceTimersByTimeAsync(1);
      expect(rounds, "somebody waits for ever").toBeLessThan(100);
    }
    const closing = this.pool.close();
    for (const boot of [...this.backend.underWay]) boot.finish();
    await closing;
    const left = new Set(this.backend.living);
    for (const { id } of this.held) expect(left.delete(id), "one in use was thrown away").toBe(true);
    expect([...left]).toEqual([]);
    for (const sandbox of this.held) this.pool.retire(sandbox);
    await vi.advanceTimersByTimeAsync(10_000_000);
    expect([this.backend.living, this.backend.underWay, vi.getTimerCount()]).toEqual([[], [], 0]);
  }

  #ask(who: string, profile: string): void {
    const cancel = new AbortController();
    this.asking.push(cancel);
    this.waiting += 1;
    const wanted = { tenant: who, signal: cancel.signal };
    this.pool
      .acquire(this.backend, { ...PROFILE, name: profile }, wanted)
      .then(({ sandbox }) => {
        expect(this.ever.has(sandbox) && !this.unused.has(sandbox), "it was somebody's").toBe(false);
        expect(this.held).not.toContain(sandbox);
        if (this.backend instanceof TenantBackend) expect(this.backend.tenantOf(sandbox)).toBe(who);
        this.unused.delete(sandbox);
        this.ever.add(sandbox);
        this.held.push(sandbox);
      })
      .catch((error: Error) => expect(error.message).toMatch(/^(no room|left)$/))
      .finally(() => {
        this.waiting -= 1;
        this.asking.splice(this.asking.indexOf(cancel), 1);
      });
  }

  #outdate(who: string): void {
    const origin = this.backend instanceof TenantBackend ? this.backend.own.get(who) : undefined;
    if (origin === undefined) return;
    origin.isOutdated = true;
    (this.backend as TenantBackend).own.delete(who);
  }
}

it.each([
  ["keeps tenants apart", () => new TenantBackend()],
  ["does not", () => new Untenanted()],
])("a backend that %s", { timeout: 300_000 }, async (_, makeBackend) => {
  const many = fc.array(Step, { minLength: 10, maxLength: 80 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 200 }),
      many,
      async (warm, bytes, steps) => {
        // One that failed and is tried with less left some.
        vi.clearAllTimers();
        const model = new Model(makeBackend(), warm, bytes);
        for (const step of steps) await model.apply(step);
        await model.end();
      },
    ),
    { numRuns: count(60, 3000) },
  );
});
