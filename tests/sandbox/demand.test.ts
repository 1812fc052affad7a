import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Demand } from "../../src/sandbox/demand.js";

/** After `count` arrivals, `everyMs` apart, with boots of 10 ms. */
function arrivals(count: number, everyMs: number): { demand: Demand; at: number } {
  const demand = new Demand();
  demand.booted(10);
  let at = 1000;
  for (let n = 0; n < count; n += 1) {
    if (n > 0) at += everyMs;
    demand.arrived(at);
  }
  return { demand, at };
}

describe("what ought to wait", () => {
  it("is what came in the time of one boot", () => {
    const wanted = (count: number, everyMs: number) => {
      const { demand, at } = arrivals(count, everyMs);
      return demand.wanted(at);
    };
    expect(new Demand().wanted(0)).toBe(0);
    expect(wanted(20, 0)).toBe(20);
    expect(wanted(1000, 2)).toBeGreaterThanOrEqual(5);
    expect(wanted(1000, 2)).toBeLessThanOrEqual(7);
    expect(wanted(1000, 1000)).toBe(1);
  });

  it("is forgotten by half a minute by minute, in the end wholly", () => {
    const { demand, at } = arrivals(16, 0);
    expect([0, 1, 2, 3, 4, 10].map((minutes) => demand.wanted(at + minutes * 60_000))).toEqual([16, 8, 4, 2, 1, 0]);
  });

  it("is more where a boot takes longer", () => {
    const wanted = (bootMs: number) => {
      const demand = new Demand();
      demand.booted(bootMs);
      for (let at = 0; at < 5000; at += 50) demand.arrived(at);
      return demand.wanted(5000);
    };
    expect(wanted(500)).toBeGreaterThan(2 * wanted(50));
  });

  it("is never less than none nor more than came, whatever the clock says", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: -1000, max: 1e6 }), fc.integer({ min: 0, max: 1e5 }))), (all) => {
        const demand = new Demand();
        let at = 0;
        all.forEach(([step, bootMs], index) => {
          at += step;
          demand.arrived(at);
          demand.booted(bootMs);
          expect(demand.wanted(at)).toBeGreaterThanOrEqual(1);
          expect(demand.wanted(at)).toBeLessThanOrEqual(index + 1);
        });
        expect(demand.wanted(at + 1e9)).toBe(0);
      }),
    );
  });
});
