import { describe, expect, it } from "vitest";
import { truncateMiddle } from "../../src/diagnostics/truncate.js";
import { blankResult, fitResult } from "../../src/harness/result.js";
import { KEEP } from "../../src/model/limits.js";
import { MAX_RESULT_BYTES, type RunResult } from "../../src/model/result.js";

/** JSON writes each of these as six bytes. */
const worst = (units: number) => "\u0001".repeat(units);
const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const bytesOf = (result: RunResult) => Buffer.byteLength(JSON.stringify(result));

describe("fitResult", () => {
  const file = { path: worst(4096), pathBase64: "A".repeat(5464), bytes: 1 };
  const full: RunResult = {
    ...blankResult({ runId: "r", userId: "u" }),
    error: {
      code: "program_error",
      message: worst(500),
      exception: { type: worst(512), message: worst(60_000), traceback: worst(200_000) },
    },
    contract: times(64, {
      path: "p",
      description: worst(2700),
      status: "missing",
      bytes: null,
      mime: null,
      sha256: null,
    }),
    changes: {
      ...{
        created: times(200, file),
        modified: times(200, file),
        deleted: times(200, file),
        leftInWork: times(200, file),
      },
      skipped: times(200, { ...file, reason: worst(200) }),
    },
    toolCalls: times(100, {
      ...{
        id: worst(128),
        toolId: worst(256),
        params: { x: worst(2700) },
        callReason: worst(4096),
        ok: true,
        ret: worst(2700),
      },
      ...{ error: { code: "x", message: worst(4000) }, startedAt: "", durationMs: 1 },
    }),
    output: {
      stdout: { text: worst(KEEP.streamBytes), bytes: KEEP.streamBytes, truncated: false },
      stderr: { text: worst(KEEP.streamBytes), bytes: KEEP.streamBytes, truncated: false },
    },
    diagnostics: {
      ...{
        tree: worst(KEEP.treeBytes),
        userLog: worst(KEEP.tailBytes),
        infraLog: worst(KEEP.tailBytes),
        hasError: true,
      },
      errorLines: times(KEEP.errorLines, worst(2048)),
      tracebacks: times(KEEP.tracebacks, worst(KEEP.tracebackBytes)),
    },
  };
  const blank = blankResult({ runId: "r", userId: "u" });

  it.each<[string, Partial<RunResult>]>([
    ["all of it", full],
    ["the changes", { changes: full.changes }],
    ["a single list of the changes", { changes: { ...blank.changes, created: full.changes.created.slice(0, 190) } }],
    ["the tool calls", { toolCalls: full.toolCalls }],
    ["the streams", { output: full.output }],
    ["the diagnostics", { diagnostics: full.diagnostics }],
    ["the exception", { error: full.error }],
  ])("keeps %s at their largest below the bound", (_, part) => {
    const fitted = fitResult({ ...blank, ...part }, truncateMiddle);
    expect(bytesOf(fitted)).toBeLessThan(MAX_RESULT_BYTES);
    expect(Object.keys(fitted)).toEqual(Object.keys(blank));
  });

  it("leaves a result alone that fits", () => {
    const fits = { ...blank, contract: full.contract };
    expect(fitResult(fits, truncateMiddle)).toBe(fits);
  });
});
