// What a seam lifts, and that nothing is lifted without one.
import { describe, expect, it } from "vitest";
import { deadlineOf, unlimited, watched } from "../../src/harness/seams.js";
import { DEFAULT_LIMITS, LIMITS } from "../../src/model/limits.js";
import type { Job } from "../../src/sandbox/protocol/frames.js";

const job: Job = {
  ...{ code: "", runId: "r", turnId: "t", userId: "u", args: [], env: {}, stdin: null, tools: [] },
  ...{ work: "/work", out: "/out", cwd: "/work" },
  limits: { openFiles: 64, fileSize: 10, processes: 8, addressSpace: 100 },
};

describe("a seam", () => {
  it("changes nothing where no layer is left out", () => {
    expect(watched(DEFAULT_LIMITS, {})).toBe(DEFAULT_LIMITS);
    expect(deadlineOf(1000, {})).toBe(1000);
    expect(unlimited(job, {})).toBe(job);
    expect(unlimited(job, { without: new Set(["seccomp"]) })).toEqual(job);
  });

  it("lifts what it names, and nothing else", () => {
    const without = new Set(["disk-watch", "deadline", "file-size", "process-rlimit"] as const);
    expect(watched(DEFAULT_LIMITS, { without })).toEqual({ ...DEFAULT_LIMITS, disk: LIMITS.disk.max });
    expect(deadlineOf(1000, { without })).toBe(LIMITS.timeout.max);
    const { limits } = unlimited(job, { without });
    expect(limits).toEqual({ openFiles: 64, fileSize: LIMITS.fileSize.max, processes: null, addressSpace: 100 });
  });
});
