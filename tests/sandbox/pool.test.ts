import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../../src/model/limits.js";
import { MemoryBudget } from "../../src/sandbox/memory-budget.js";
import { SandboxPool } from "../../src/sandbox/pool.js";
import { CountingBackend, PROFILE, TenantBackend } from "./counting-backend.js";

const MINUTE_MS = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const settle = () => vi.advanceTimersByTimeAsync(0);
const makePool = (warm: number, given: { processors?: number; bytes?: number } = {}) =>
  new SandboxPool({ warm, processors: given.processors ?? 2, budget: new MemoryBudget(given.bytes ?? 10_000) });

/** A whole run of one tenant, in no time. */
async function runOnce(pool: SandboxPool, backend: CountingBackend, tenant: string): Promise<boolean> {
  const { sandbox, warm } = await pool.acquire(backend, PROFILE, { tenant });
  pool.retire(sandbox);
  await vi.advanceTimersByTimeAsync(500);
  return warm;
}

describe("SandboxPool", () => {
  it("leases each sandbox once, warm ones first", async () => {
    const backend = new CountingBackend();
    const pool = makePool(2);
    await pool.warm(backend, PROFILE);
    expect(backend.booted).toHaveLength(2);
    const leases = await Promise.all([1, 2, 3, 4, 5].map(() => pool.acquire(backend, PROFILE)));
    expect(new Set(leases.map((lease) => lease.sandbox.id)).size).toBe(5);
    expect(leases.filter((lease) => lease.warm)).toHaveLength(2);
    await pool.close();
  });

  it("keeps profiles apart, but for what a run requires of any", async () => {
    const backend = new CountingBackend();
    const pool = makePool(1);
    await pool.warm(backend, PROFILE);
    const other = await pool.acquire(backend, { ...PROFILE, limits: { ...DEFAULT_LIMITS, memory: 64 * 1024 * 1024 } });
    expect(other.warm).toBe(false);
    expect((await pool.acquire(backend, { ...PROFILE, require: ["seccomp"] })).warm).toBe(true);
    await pool.close();
  });

  it("refills a place, but not before the run that had it could tell its result", async () => {
    const backend = new CountingBackend();
    const pool = makePool(1);
    const { sandbox } = await pool.acquire(backend, PROFILE);
    pool.retire(sandbox);
    await settle();
    expect([backend.disposed.size, backend.booted.length]).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(backend.booted).toHaveLength(2);
    await pool.close();
  });

  it("tells the acquirer why a boot failed, and boots nothing ahead with 0", async () => {
    const backend = new CountingBackend();
    const pool = makePool(0);
    expect((await pool.acquire(backend, PROFILE)).warm).toBe(false);
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    expect(backend.booted).toHaveLength(1);
    backend.failing = true;
    await expect(pool.acquire(backend, PROFILE)).rejects.toThrow("no room");
    await pool.close();
  });

  it("disposes of what waits when it closes, of what boots, and of what is given back later", async () => {
    const backend = new CountingBackend();
    const pool = makePool(2);
    await pool.warm(backend, PROFILE);
    const { sandbox } = await pool.acquire(backend, PROFILE);
    backend.holds = true;
    await vi.advanceTimersByTimeAsync(200);
    expect(backend.underWay).toHaveLength(1);
    const closing = pool.close();
    backend.underWay[0]?.finish();
    await closing;
    pool.giveBack(sandbox);
    await settle();
    expect(backend.living).toEqual([]);
    await expect(pool.acquire(backend, PROFILE)).rejects.toThrow("closed");
  });

  it("gives a sandbox that was given back to the next, and one that is given back twice to nobody", async () => {
    const backend = new CountingBackend();
    const pool = makePool(0);
    const { sandbox } = await pool.acquire(backend, PROFILE);
    pool.giveBack(sandbox);
    expect((await pool.acquire(backend, PROFILE)).sandbox).toBe(sandbox);
    pool.giveBack(sandbox);
    pool.giveBack(sandbox);
    await settle();
    expect(backend.living).toEqual([]);
    await pool.close();
  });
});

describe("how many wait", () => {
  it("follows the runs that come: more after a burst, and fewer again", async () => {
    const backend = new CountingBackend();
    const pool = makePool(1);
    const burst = await Promise.all(Array.from({ length: 12 }, () => pool.acquire(backend, PROFILE)));
    for (const { sandbox } of burst) pool.retire(sandbox);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(backend.living).toHaveLength(12);
    await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
    expect(backend.living).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
    expect(backend.living).toHaveLength(1);
    await pool.close();
  });

  it("is none for a tenant who did not come for a quarter of an hour; nobody's stay", async () => {
    const backend = new TenantBackend();
    const pool = makePool(2);
    await pool.warm(backend, PROFILE);
    await runOnce(pool, backend, "ada");
    const ofAda = () =>
      backend.booted.filter((one) => backend.tenantOf(one) === "ada" && backend.living.includes(one.id));
    expect(ofAda()).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
    expect(ofAda()).toHaveLength(1);
    expect(await runOnce(pool, backend, "ada")).toBe(true);
    await vi.advanceTimersByTimeAsync(16 * MINUTE_MS);
    expect([ofAda().length, backend.living.length]).toEqual([0, 2]);
    await pool.close();
  });

  it("does not grow with the number of tenants", async () => {
    const backend = new TenantBackend();
    const pool = makePool(2);
    for (let user = 0; user < 200; user += 1) await runOnce(pool, backend, `user-${user}`);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(backend.living.length).toBeLessThanOrEqual(2 + 48 * 2);
    // Those who ran last have theirs.
    expect(await runOnce(pool, backend, "user-199")).toBe(true);
    expect(await runOnce(pool, backend, "user-0")).toBe(false);
    await vi.advanceTimersByTimeAsync(20 * MINUTE_MS);
    expect(backend.living).toHaveLength(2);
    await pool.close();
  });

  it("stays below the memory that they may take, and those who ran last have what there is", async () => {
    const backend = new TenantBackend();
    const pool = makePool(2, { bytes: 50 });
    for (const user of ["a", "b", "c", "d"]) await runOnce(pool, backend, user);
    expect(backend.living.length).toBe(5);
    expect(await runOnce(pool, backend, "d")).toBe(true);
    expect(await runOnce(pool, backend, "a")).toBe(false);
    expect(backend.living.length).toBeLessThanOrEqual(5);
    await pool.close();
  });

  it("becomes less where others need the memory", async () => {
    const memory = { all: 1600, free: 1600 };
    const backend = new CountingBackend();
    const pool = new SandboxPool({ warm: 10, processors: 2, budget: new MemoryBudget(null, () => ({ ...memory })) });
    await pool.warm(backend, PROFILE);
    expect(backend.living).toHaveLength(10);
    memory.free = 20;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(backend.living.length).toBeLessThanOrEqual(1);
    await pool.close();
  });
});
