// In which order the pool boots, and what becomes of those that wait.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryBudget } from "../../src/sandbox/memory-budget.js";
import { SandboxPool } from "../../src/sandbox/pool.js";
import { CountingBackend, PROFILE, TenantBackend } from "./counting-backend.js";

const MINUTE_MS = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);
const makePool = (warm: number, processors = 2) =>
  new SandboxPool({ warm, processors, budget: new MemoryBudget(10_000) });

describe("boots", () => {
  it("for those who wait are so many at once, and none is ahead of need meanwhile", async () => {
    const backend = new CountingBackend();
    backend.holds = true;
    const pool = makePool(3);
    const leases = Promise.all(
      Array.from({ length: 20 }, (_, n) => pool.acquire(backend, PROFILE, { tenant: `t${n}` })),
    );
    await vi.advanceTimersByTimeAsync(1000);
    while (backend.begun < 20) {
      expect(backend.underWay.length).toBe(4);
      backend.underWay[0]?.finish();
      await vi.advanceTimersByTimeAsync(150);
    }
    for (const one of [...backend.underWay]) one.finish();
    expect(new Set((await leases).map(({ sandbox }) => sandbox.id)).size).toBe(20);
    await vi.advanceTimersByTimeAsync(1000);
    // While they run: one.
    expect(backend.underWay).toHaveLength(1);
    backend.holds = false;
    backend.underWay[0]?.finish();
    await pool.close();
  });

  it("ahead are one beside work, and as many as processors without", async () => {
    const backend = new CountingBackend();
    const pool = makePool(8, 4);
    const busy = [await pool.acquire(backend, PROFILE), await pool.acquire(backend, PROFILE)];
    backend.holds = true;
    await vi.advanceTimersByTimeAsync(1000);
    expect(backend.underWay).toHaveLength(2);
    for (const { sandbox } of busy) pool.retire(sandbox);
    await vi.advanceTimersByTimeAsync(1000);
    expect(backend.underWay).toHaveLength(4);
    backend.holds = false;
    for (const one of [...backend.underWay]) one.finish();
    await pool.close();
  });

  it("ahead are by turns: one tenant's burst leaves the next one its own", async () => {
    const backend = new TenantBackend();
    const pool = makePool(1, 1);
    const burst = await Promise.all(
      Array.from({ length: 10 }, () => pool.acquire(backend, PROFILE, { tenant: "many" })),
    );
    const one = await pool.acquire(backend, PROFILE, { tenant: "one" });
    backend.holds = true;
    for (const { sandbox } of [...burst, one]) pool.retire(sandbox);
    await vi.advanceTimersByTimeAsync(20);
    const order: (string | null)[] = [];
    for (let n = 0; n < 3; n += 1) {
      order.push(backend.underWay[0]?.tenant ?? null);
      backend.underWay[0]?.finish();
      await settle();
    }
    expect(order.sort()).toEqual(["many", "one", null].sort());
    backend.holds = false;
    backend.underWay[0]?.finish();
    await pool.close();
  });

  it("that were begun ahead are had by those who came meanwhile", async () => {
    const backend = new TenantBackend();
    const pool = makePool(1, 1);
    backend.holds = true;
    const warming = pool.warm(backend, PROFILE);
    const first = pool.acquire(backend, PROFILE, { tenant: "a" });
    const second = pool.acquire(backend, PROFILE, { tenant: "b" });
    await settle();
    // Ahead, and for the first: the second and third stand in line.
    const third = pool.acquire(backend, PROFILE, { tenant: "c" });
    await settle();
    expect(backend.underWay.map(({ tenant }) => tenant)).toEqual([null, "a", "b"]);
    backend.underWay[0]?.finish();
    const { sandbox } = await third;
    expect(backend.tenantOf(sandbox)).toBe("c");
    backend.holds = false;
    for (const one of [...backend.underWay]) one.finish();
    await Promise.all([first, second, warming]);
    await pool.close();
  });

  it("are not begun for one who left", async () => {
    const backend = new CountingBackend();
    backend.holds = true;
    const pool = makePool(0, 1);
    const left = new AbortController();
    const leases = ["a", "b"].map((tenant) => pool.acquire(backend, PROFILE, { tenant }));
    const gone = pool.acquire(backend, PROFILE, { tenant: "c", signal: left.signal });
    left.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    backend.holds = false;
    for (const one of [...backend.underWay]) one.finish();
    await Promise.all(leases);
    await settle();
    expect(backend.begun).toBe(2);
    await pool.close();
  });

  it("on a backend that is silent do not hold up another", async () => {
    const [silent, good] = [new CountingBackend("silent"), new CountingBackend("good")];
    silent.holds = true;
    const pool = makePool(0);
    const stuck = Array.from({ length: 9 }, (_, n) => pool.acquire(silent, PROFILE, { tenant: `t${n}` }));
    expect((await pool.acquire(good, PROFILE, { tenant: "x" })).warm).toBe(false);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(silent.underWay).toHaveLength(9);
    for (const one of [...silent.underWay]) one.fail();
    expect((await Promise.allSettled(stuck)).map(({ status }) => status)).toEqual(Array(9).fill("rejected"));
    await pool.close();
  });
});

describe("one that waits", () => {
  it("and died is thrown away, and another is booted, not at once", async () => {
    const backend = new CountingBackend();
    const pool = makePool(1);
    await pool.warm(backend, PROFILE);
    backend.booted[0]?.die();
    await settle();
    expect([backend.disposed, backend.booted.length]).toEqual([new Set(["counting-0"]), 1]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(backend.living).toEqual(["counting-1"]);
    await pool.close();
  });

  it("for an hour is replaced, and so is one whose origin is given up: first by another, then it goes", async () => {
    const backend = new TenantBackend();
    const pool = makePool(1);
    await pool.warm(backend, PROFILE);
    const [first] = backend.booted;
    await vi.advanceTimersByTimeAsync(59 * MINUTE_MS);
    expect(backend.living).toEqual([first?.id]);
    backend.holds = true;
    await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
    expect([backend.living, backend.underWay.length]).toEqual([[first?.id], 1]);
    backend.holds = false;
    backend.underWay[0]?.finish();
    await vi.advanceTimersByTimeAsync(20_000);
    const second = backend.booted[1];
    expect(backend.living).toEqual([second?.id]);
    const origin = second && backend.origins.get(second);
    if (origin) origin.isOutdated = true;
    await vi.advanceTimersByTimeAsync(10_000);
    // What is booted from the same origin is as old: it is not done again and again at once.
    expect(backend.booted.length).toBeLessThanOrEqual(4);
    await pool.close();
  });

  it("and cannot be booted is tried less and less often, and at once for one who asks", async () => {
    const backend = new CountingBackend();
    backend.failing = true;
    const pool = makePool(2);
    await pool.warm(backend, PROFILE);
    await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
    expect(backend.begun).toBeGreaterThan(5);
    expect(backend.begun).toBeLessThan(40);
    await expect(pool.acquire(backend, PROFILE)).rejects.toThrow("no room");
    backend.failing = false;
    expect((await pool.acquire(backend, PROFILE)).warm).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(backend.living).toHaveLength(3);
    await pool.close();
  });

  it("for nobody becomes the first tenant's with all of its origin, and never another's", async () => {
    const backend = new TenantBackend();
    const pool = makePool(3);
    await pool.warm(backend, PROFILE);
    const ada = await pool.acquire(backend, PROFILE, { tenant: "ada" });
    const eve = await pool.acquire(backend, PROFILE, { tenant: "eve" });
    expect([ada.warm, eve.warm]).toEqual([true, false]);
    expect([ada, eve].map(({ sandbox }) => backend.tenantOf(sandbox))).toEqual(["ada", "eve"]);
    expect((await pool.acquire(backend, PROFILE, { tenant: "ada" })).warm).toBe(true);
    await pool.close();
  });

  it("and turns out to be another tenant's is had by nobody", async () => {
    const backend = new TenantBackend();
    const pool = makePool(0);
    backend.tenantOf = () => "eve";
    await expect(pool.acquire(backend, PROFILE, { tenant: "ada" })).rejects.toThrow("another tenant's");
    await settle();
    expect(backend.living).toEqual([]);
    await pool.close();
  });

  it("for nobody and became somebody's by a run of another profile makes place for others'", async () => {
    const backend = new TenantBackend();
    const pool = makePool(1);
    await pool.warm(backend, PROFILE);
    const [first] = backend.booted;
    // Another profile has none ready: the boot takes the origin of those that wait for this one.
    const { sandbox } = await pool.acquire(backend, { ...PROFILE, name: "other" }, { tenant: "ada" });
    expect([sandbox, first].map((one) => one && backend.tenantOf(one))).toEqual(["ada", "ada"]);
    await vi.advanceTimersByTimeAsync(500);
    const eve = await pool.acquire(backend, PROFILE, { tenant: "eve" });
    expect([eve.warm, backend.tenantOf(eve.sandbox)]).toEqual([true, "eve"]);
    await pool.close();
  });
});
