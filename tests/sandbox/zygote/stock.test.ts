import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LauncherStock, type Stocked } from "../../../src/sandbox/zygote/stock.js";

const MINUTE_MS = 60_000;

class FakeLauncher implements Stocked {
  readonly ended = new Promise<void>(() => undefined);
  isAlive = true;
  forks = 0;
  reserved = 0;
  isRetired = false;
  isClosed = false;
  reserve() {
    this.reserved += 1;
  }
  unreserve() {
    this.reserved -= 1;
  }
  retire() {
    this.isRetired = true;
  }
  async close() {
    this.isClosed = true;
  }
}

let started: FakeLauncher[];
let stock: LauncherStock<FakeLauncher>;
let failing: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  [started, failing] = [[], false];
  stock = makeStock(64);
});
afterEach(async () => {
  await stock.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function makeStock(mostTenants: number, startsAhead = true): LauncherStock<FakeLauncher> {
  const start = async () => {
    if (failing) throw new Error("no room");
    const launcher = new FakeLauncher();
    started.push(launcher);
    return launcher;
  };
  return new LauncherStock(start, startsAhead, mostTenants);
}

describe("a stock of launchers", () => {
  it("has one for each tenant, and one spare", async () => {
    const [ada, eve] = [await stock.take("ada"), await stock.take("eve")];
    expect(ada.launcher).not.toBe(eve.launcher);
    expect((await stock.take("ada")).launcher).toBe(ada.launcher);
    await vi.advanceTimersByTimeAsync(1000);
    expect(started).toHaveLength(3);
    const spare = await stock.take(null);
    stock.adopt(spare, "bob");
    expect([(await stock.take("bob")).launcher, spare.tenant]).toEqual([spare.launcher, "bob"]);
    stock.adopt(await stock.take(null), "ada");
    expect((await stock.take("ada")).launcher).toBe(ada.launcher);
  });

  it("never has one of two tenants, though both reach for the spare at one instant", async () => {
    const spare = await stock.take(null);
    // The one is on its way to it, by a boot, when the other has a sandbox of it already.
    const booting = stock.take("eve");
    stock.adopt(spare, "ada");
    const eve = await booting;
    expect([spare.tenant, eve.tenant]).toEqual(["ada", "eve"]);
    expect(eve.launcher).not.toBe(spare.launcher);
    expect((await stock.take("ada")).launcher).toBe(spare.launcher);
    expect((await stock.take("eve")).launcher).toBe(eve.launcher);
  });

  it("replaces one that has forked enough, or died, and says so of what came from it", async () => {
    const first = await stock.take("ada");
    first.launcher.forks = 500;
    const second = await stock.take("ada");
    expect([first.isRetired, first.launcher.isRetired, second.isRetired]).toEqual([true, true, false]);
    second.launcher.isAlive = false;
    expect((await stock.take("ada")).launcher).not.toBe(second.launcher);
  });

  it("does not forget the spare one when an older one is adopted", async () => {
    const old = await stock.take(null);
    old.launcher.forks = 500;
    const spare = await stock.take(null);
    stock.adopt(old, "ada");
    expect((await stock.take(null)).launcher).toBe(spare.launcher);
    // The old one has no forks left for anybody.
    expect((await stock.take("ada")).launcher).toBe(spare.launcher);
  });

  it("gives up that of whoever asked least lately, of too many", async () => {
    await stock.close();
    stock = makeStock(2);
    const ada = await stock.take("ada");
    const eve = await stock.take("eve");
    await stock.take("ada");
    await stock.take("bob");
    await vi.advanceTimersByTimeAsync(0);
    expect([ada.isRetired, eve.isRetired]).toEqual([false, true]);
  });

  it("gives up that of whoever asked for nothing for half an hour, and keeps the spare one", async () => {
    const [ada, eve] = [await stock.take("ada"), await stock.take("eve")];
    await vi.advanceTimersByTimeAsync(20 * MINUTE_MS);
    await stock.take("eve");
    await vi.advanceTimersByTimeAsync(20 * MINUTE_MS);
    expect([ada.isRetired, eve.isRetired]).toEqual([true, false]);
    expect((await stock.take("ada")).launcher).not.toBe(ada.launcher);
    await vi.advanceTimersByTimeAsync(60 * MINUTE_MS);
    expect(started.filter(({ isRetired }) => !isRetired)).toHaveLength(1);
  });

  it("tells why none starts, and tries again for the next", async () => {
    failing = true;
    await expect(stock.take("ada")).rejects.toThrow("no room");
    failing = false;
    expect((await stock.take("ada")).tenant).toBe("ada");
    // A spare one that did not start is nobody's trouble.
    await stock.close();
    stock = makeStock(64);
    await stock.take("ada");
    failing = true;
    await vi.advanceTimersByTimeAsync(1000);
    failing = false;
    expect((await stock.take("eve")).tenant).toBe("eve");
  });

  it("starts nothing ahead where nothing is to be, and ends all at its end", async () => {
    await stock.close();
    stock = makeStock(64, false);
    const { launcher } = await stock.take("ada");
    await vi.advanceTimersByTimeAsync(1000);
    expect(started).toEqual([launcher]);
    await stock.close();
    expect(launcher.isClosed).toBe(true);
  });
});
