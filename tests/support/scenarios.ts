// The table of behaviour §9: what each scenario must end as, on every backend.
import { expect } from "vitest";
import type { RunResult } from "../../src/model/result.js";

export interface Row {
  id: string;
  status: RunResult["status"];
  code: string | null;
  check?(result: RunResult): void;
}

const artifact = (result: RunResult, name: string) => result.contract.find((entry) => entry.path.endsWith(name));
const prints = (text: string) => (result: RunResult) => expect(result.output.stdout.text).toContain(text);

export const SCENARIO_ROWS: Row[] = [
  {
    id: "0",
    status: "succeeded",
    code: null,
    check(result) {
      expect(result.toolCalls).toMatchObject([{ toolId: "local_tools.write_note", ok: true }]);
      expect(result.changes.created.map((file) => file.path)).toContainEqual(
        expect.stringMatching(/^notes\/.*-note\.txt$/),
      );
      expect(artifact(result, "hello-iso-runtime.txt")?.status).toBe("satisfied");
    },
  },
  { id: "1", status: "timed_out", code: "timeout" },
  { id: "2", status: "timed_out", code: "timeout", check: prints("progress before timeout") },
  {
    id: "3",
    status: "failed",
    code: "program_error",
    check(result) {
      expect(result.error?.exception).toMatchObject({ type: "RuntimeError", message: "simulated program crash" });
      expect(result.diagnostics.hasError).toBe(true);
    },
  },
  {
    id: "4",
    status: "failed",
    code: "contract_unmet",
    check(result) {
      expect(artifact(result, "missing-output.txt")?.status).toBe("missing");
      expect(artifact(result, "hello-iso-runtime.txt")?.status).toBe("satisfied");
      expect(result.workspace.synced).toBe(true);
    },
  },
  {
    id: "5",
    status: "failed",
    code: "program_error",
    check: (result) => expect(result.error?.exception?.type).toBe("MemoryError"),
  },
  {
    id: "6",
    status: "failed",
    code: "program_error",
    check(result) {
      expect(result.error?.exception?.type).toBe("RecursionError");
      expect(result.error?.exception?.traceback.length).toBeLessThan(20_000);
    },
  },
  { id: "7", status: "timed_out", code: "timeout", check: prints("sleeping...") },
  { id: "8", status: "timed_out", code: "timeout", check: prints("looping...") },
  { id: "9", status: "failed", code: "program_error", check: prints("hello from print before crash") },
  {
    id: "10",
    status: "succeeded",
    code: null,
    check(result) {
      expect(result.diagnostics.hasError).toBe(true);
      expect(result.diagnostics.errorLines.join("\n")).toContain("ERROR user:");
      expect(result.output.stderr.text).toBe("");
    },
  },
  {
    id: "11",
    status: "failed",
    code: "program_error",
    check(result) {
      expect(artifact(result, "hello-iso-runtime.txt")?.status).toBe("satisfied");
      expect(result.workspace.synced).toBe(true);
    },
  },
  {
    id: "12",
    status: "succeeded",
    code: null,
    check(result) {
      expect(result.mode).toBe("side-effects");
      const names = result.changes.created.map((file) => file.path.split("/").at(-1));
      expect(names).toEqual(expect.arrayContaining(["hello-iso-runtime.txt", "extra-side-effect.txt"]));
    },
  },
];
