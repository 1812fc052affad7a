// What the flags of `serve` and `keys` become, and the sentence for each that is wrong.
import { describe, expect, it } from "vitest";
import { readExpiry } from "../../src/cli/keys.js";
import { admissionOf, type LimitFlags, storageOf } from "../../src/cli/serve-limits.js";

describe("limits of the service", () => {
  it("are what the flags say, and what follows from them", () => {
    const limits = (flags: LimitFlags) => admissionOf(flags).counts().limits;
    expect(limits({ concurrency: "3" })).toMatchObject({ atOnce: 3, perUser: 2, queued: 4000, queuedPerUser: 1000 });
    expect(limits({ concurrency: "8", concurrencyPerUser: "8", queue: "0", queuePerUser: "5" })).toMatchObject({
      ...{ atOnce: 8, perUser: 8, queued: 0, queuedPerUser: 5 },
    });
    expect(storageOf({})).toBeNull();
    expect(storageOf({ storage: "2GiB" })).toBe(2 * 1024 ** 3);
    expect(storageOf({ storage: "1000" })).toBe(1000);
  });

  it.each([
    ["2/s", 2, 500],
    ["60/m", 60, 1000],
    ["3600/h", 3600, 1000],
  ])("let a user ask as often as --rate says: %s", (rate, count, nextMs) => {
    const admission = admissionOf({ rate, queue: "100000", queuePerUser: "100000" });
    for (let asked = 0; asked < count; asked += 1) admission.enter({ userId: "a", workspace: null });
    try {
      admission.enter({ userId: "a", workspace: null });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "too_busy" });
      const { retryAfterMs } = error as { retryAfterMs: number };
      expect(retryAfterMs).toBeGreaterThan(0);
      expect(retryAfterMs).toBeLessThanOrEqual(nextMs);
    }
  });

  it.each<[string, LimitFlags]>([
    ["--concurrency", { concurrency: "0" }],
    ["--concurrency", { concurrency: "1025" }],
    ["--concurrency", { concurrency: "1.5" }],
    ["--concurrency-per-user", { concurrencyPerUser: "-1" }],
    ["--queue", { queue: "" }],
    ["--queue-per-user", { queuePerUser: "many" }],
    ["--rate", { rate: "10" }],
    ["--rate", { rate: "0/s" }],
    ["--rate", { rate: "10/d" }],
    ["--rate", { rate: "9999999/s" }],
    ["--rate", { rate: "1/s " }],
  ])("that cannot be are a mistake of %s: %j", (field, flags) => {
    expect(() => admissionOf(flags)).toThrow(expect.objectContaining({ code: "invalid_request", field }));
  });

  it.each(["", "-1", "1e9", "lots", "2 apples", "99999999999999999999"])("are no size: %j", (storage) => {
    expect(() => storageOf({ storage })).toThrow(expect.objectContaining({ field: "--storage" }));
  });
});

describe("when a key expires", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");

  it.each([
    [undefined, null],
    ["30m", "2030-01-01T00:30:00.000Z"],
    ["12h", "2030-01-01T12:00:00.000Z"],
    ["90d", "2030-04-01T00:00:00.000Z"],
    ["2030-01-02", "2030-01-02T00:00:00.000Z"],
    ["2030-01-01T03:00+02:00", "2030-01-01T01:00:00.000Z"],
  ])("is read from %j", (text, at) => {
    expect(readExpiry(text, now)).toBe(at);
  });

  it.each(["", "0d", "90", "1w", "2029-12-31", "2030-01-01", "2030-13-01", "tomorrow", "1e3d", "2030-01-01T03:00"])(
    "is refused where it cannot be: %j",
    (text) => {
      expect(() => readExpiry(text, now)).toThrow(expect.objectContaining({ field: "--expires" }));
    },
  );
});
