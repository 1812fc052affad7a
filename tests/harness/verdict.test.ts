import { describe, expect, it } from "vitest";
import { decide, type Evidence } from "../../src/harness/verdict.js";
import type { ProgramEnd } from "../../src/model/ending.js";
import { DEFAULT_LIMITS, LIMITS, type LimitName } from "../../src/model/limits.js";
import type { Policy } from "../../src/model/result.js";

const names = Object.keys(LIMITS) as LimitName[];
const policy: Policy = {
  limits: Object.fromEntries(
    names.map((name) => [
      name,
      { value: DEFAULT_LIMITS[name], unit: LIMITS[name].unit, enforcedBy: "cgroup-v1", hits: null },
    ]),
  ) as Policy["limits"],
  network: "none",
  isolation: { namespaces: [], seccomp: true, hostUid: 10001 },
};
const end = (over: Partial<ProgramEnd> = {}): ProgramEnd => ({
  ...{ exitCode: 0, signal: null, oomKills: 0, tasks: null, hostStop: null, reported: true, exception: null },
  ...over,
});
const evidence = (over: Partial<Evidence> = {}): Evidence => ({
  ...{ end: end(), lost: null, begun: true, contractUnmet: null, overQuota: null, policy, timeoutMs: 3000 },
  ...over,
});
const exception = { type: "ValueError", message: "x", traceback: "Traceback…" };

it("says where a module that is missing comes from", () => {
  const missing = { ...exception, type: "ModuleNotFoundError", message: "No module named 'pandas'" };
  const { error } = decide(evidence({ end: end({ exitCode: 1, exception: missing }) }));
  expect(error?.message).toContain("pandas");
  expect(error?.hint).toContain("ISO_RUNTIME_PYTHON");
  expect(decide(evidence({ end: end({ exitCode: 1, exception }) })).error?.hint).toBeUndefined();
});

describe("decide", () => {
  it.each<[string, Partial<Evidence>, string, string | null]>([
    ["a clean end", {}, "succeeded", null],
    ["an unmet contract", { contractUnmet: "a.txt is missing" }, "failed", "contract_unmet"],
    ["an exception", { end: end({ exitCode: 1, exception }) }, "failed", "program_error"],
    [
      "an exception beside an unmet contract",
      { end: end({ exitCode: 1, exception }), contractUnmet: "x" },
      "failed",
      "program_error",
    ],
    ["exit 1 without an exception", { end: end({ exitCode: 1 }) }, "failed", "program_exit"],
    ["exit 3 with a forged exception", { end: end({ exitCode: 3, exception }) }, "failed", "program_exit"],
    ["exit 0 with a forged exception", { end: end({ exception }) }, "succeeded", null],
    ["exit 137, which is no kill", { end: end({ exitCode: 137 }) }, "failed", "program_exit"],
    ["exit 124, which is no timeout", { end: end({ exitCode: 124 }) }, "failed", "program_exit"],
    ["a segmentation fault", { end: end({ exitCode: null, signal: "SIGSEGV" }) }, "failed", "program_signal"],
    ["a kill by itself", { end: end({ exitCode: null, signal: "SIGKILL" }) }, "failed", "program_signal"],
    [
      "a kill by the kernel for memory",
      { end: end({ exitCode: null, signal: "SIGKILL", oomKills: 1 }) },
      "failed",
      "out_of_memory",
    ],
    [
      "a supervisor gone with a memory kill",
      { end: end({ exitCode: null, reported: false, oomKills: 2 }) },
      "failed",
      "out_of_memory",
    ],
    ["a supervisor gone", { end: end({ exitCode: null, reported: false }) }, "failed", "sandbox_unavailable"],
    ["a child killed for memory, survived", { end: end({ oomKills: 1 }) }, "succeeded", null],
    ["the deadline", { end: end({ exitCode: 0, hostStop: { reason: "timeout" } }) }, "timed_out", "timeout"],
    [
      "a cancellation",
      { end: end({ signal: "SIGTERM", exitCode: null, hostStop: { reason: "cancelled" } }) },
      "cancelled",
      "cancelled",
    ],
    [
      "a limit of the host",
      { end: end({ hostStop: { reason: "limit", limit: "output", message: "too much" } }) },
      "failed",
      "limit_exceeded",
    ],
    [
      "files beyond the quota after a clean end",
      { overQuota: { limit: "disk", message: "m" } },
      "failed",
      "limit_exceeded",
    ],
  ])("%s", (_name, over, status, code) => {
    const verdict = decide(evidence(over));
    expect({ status: verdict.status, code: verdict.error?.code ?? null }).toEqual({ status, code });
  });

  it("leaves exit code and signal out where the host ended it", () => {
    const verdict = decide(evidence({ end: end({ exitCode: 0, hostStop: { reason: "timeout" } }) }));
    expect(verdict).toMatchObject({ exitCode: null, signal: null });
  });

  it("keeps the real exit code beside an unmet contract", () => {
    expect(decide(evidence({ contractUnmet: "x" })).exitCode).toBe(0);
  });

  it.each([
    ["EMFILE", "openFiles"],
    ["EFBIG", "fileSize"],
    ["EAGAIN", "processes"],
  ])("names the limit behind %s", (errno, limit) => {
    const verdict = decide(evidence({ end: end({ exitCode: 1, exception: { ...exception, errno } }) }));
    expect(verdict.error?.limit).toBe(limit);
  });

  it("does not take a thread that found no memory for one too many", () => {
    const { memory, processes } = policy.limits;
    const bounded: Policy = {
      ...policy,
      limits: {
        ...policy.limits,
        memory: { ...memory, enforcedBy: "rlimit" },
        processes: { ...processes, enforcedBy: "rlimit" },
      },
    };
    const refused = { ...exception, type: "RuntimeError", message: "can't start new thread" };
    const limit = (tasks: number | null) =>
      decide(evidence({ policy: bounded, end: end({ exitCode: 1, exception: refused, tasks }) })).error?.limit;
    expect([limit(13), limit(processes.value), limit(null)]).toEqual(["memory", "processes", "processes"]);
  });

  it("never reports a loss of ours as the program's", () => {
    for (const begun of [true, false]) {
      const verdict = decide(
        evidence({ begun, lost: "the engine died", end: end({ exitCode: null, reported: false }) }),
      );
      expect(verdict.error?.code).toBe("sandbox_unavailable");
      expect(verdict.error?.message).toContain("the engine died");
    }
  });

  it("shows the KeyboardInterrupt that a program ended by", () => {
    const said = { type: "KeyboardInterrupt", message: "", traceback: "Traceback…" };
    const { error } = decide(evidence({ end: end({ exitCode: null, signal: "SIGINT", exception: said }) }));
    expect(error).toMatchObject({ code: "program_signal", exception: said });
  });
});
