import { PassThrough } from "node:stream";
import { describe, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../../src/model/limits.js";
import type { Sandbox, SandboxBackend } from "../../src/sandbox/backend.js";
import { SandboxPool } from "../../src/sandbox/pool.js";
import type { Profile } from "../../src/sandbox/profile.js";

const profile: Profile = {
  ...{
    name: "p",
    backend: "counting",
    image: "",
    runtime: null,
    python: null,
    network: "none",
    limits: DEFAULT_LIMITS,
  },
  ...{ cwd: "work", env: {}, packages: [], preimports: [], require: [] },
};

/** Counts boots and disposals; a booted sandbox can be made to die. */
class CountingBackend implements SandboxBackend {
  readonly name = "counting";
  readonly booted: (Sandbox & { die(): void })[] = [];
  readonly disposed = new Set<string>();
  failing = false;

  async probe() {
    return { usable: true, checks: [] };
  }
  async boot(): Promise<Sandbox> {
    if (this.failing) throw new Error("no room");
    let die = () => {};
    const ended = new Promise<void>((resolve) => {
      die = resolve;
    });
    const id = `s${this.booted.length}`;
    const sandbox = {
      ...{
        id,
        ended,
        die,
        channel: new PassThrough(),
        python: { path: "", version: "" },
        inside: { work: "", out: "" },
        owner: { uid: 1, gid: 1 },
      },
      deliver: async () => {},
      collect: async () => {},
      stop: async () => ({ oomKills: null, processHits: null, lost: null }),
      dispose: async () => void this.disposed.add(id),
      policy: () => {
        throw new Error("not asked for");
      },
      engineLog: () => [],
    };
    this.booted.push(sandbox);
    return sandbox;
  }
  async reap() {}
  async close() {}
}

describe("SandboxPool", () => {
  it("leases each sandbox once, warm ones first", async () => {
    const backend = new CountingBackend();
    const pool = new SandboxPool(2);
    await pool.warm(backend, profile);
    expect(backend.booted).toHaveLength(2);
    const leases = await Promise.all([1, 2, 3, 4, 5].map(() => pool.acquire(backend, profile)));
    expect(new Set(leases.map((lease) => lease.sandbox.id)).size).toBe(5);
    expect(leases.filter((lease) => lease.warm)).toHaveLength(2);
    await pool.close();
  });

  it("keeps profiles apart", async () => {
    const backend = new CountingBackend();
    const pool = new SandboxPool(1);
    await pool.warm(backend, profile);
    const other = await pool.acquire(backend, { ...profile, limits: { ...DEFAULT_LIMITS, memory: 64 * 1024 * 1024 } });
    expect(other.warm).toBe(false);
    await pool.close();
  });

  it("throws away a warm sandbox that died", async () => {
    const backend = new CountingBackend();
    const pool = new SandboxPool(1);
    await pool.warm(backend, profile);
    backend.booted[0]?.die();
    await new Promise(setImmediate);
    expect(backend.disposed).toEqual(new Set(["s0"]));
    expect((await pool.acquire(backend, profile)).warm).toBe(false);
    await pool.close();
  });

  it("refills a place, but not before the run that had it could tell its result", async () => {
    vi.useFakeTimers();
    try {
      const backend = new CountingBackend();
      const pool = new SandboxPool(1);
      const { sandbox } = await pool.acquire(backend, profile);
      pool.retire(backend, profile, sandbox);
      await vi.advanceTimersByTimeAsync(0);
      expect([backend.disposed.size, backend.booted.length]).toEqual([1, 1]);
      await vi.runAllTimersAsync();
      expect(backend.booted).toHaveLength(2);
      await pool.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it("tells the acquirer why a boot failed, and boots nothing ahead with size 0", async () => {
    const backend = new CountingBackend();
    const pool = new SandboxPool(0);
    expect((await pool.acquire(backend, profile)).warm).toBe(false);
    expect(backend.booted).toHaveLength(1);
    backend.failing = true;
    await expect(pool.acquire(backend, profile)).rejects.toThrow("no room");
    await pool.close();
  });

  it("disposes of what waits when it closes, and of what is given back later", async () => {
    const backend = new CountingBackend();
    const pool = new SandboxPool(2);
    await pool.warm(backend, profile);
    const { sandbox } = await pool.acquire(backend, profile);
    await pool.close();
    pool.giveBack(backend, profile, sandbox);
    await new Promise(setImmediate);
    expect(backend.disposed.size).toBe(backend.booted.length);
  });
});
