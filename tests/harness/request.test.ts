import { describe, expect, it } from "vitest";
import { parseRequest } from "../../src/harness/request.js";

const good = { userId: "alice", code: "print(1)" };
const field = (input: Record<string, unknown>): string | undefined => {
  try {
    parseRequest(input);
    return undefined;
  } catch (error) {
    return error instanceof Error && "field" in error ? `${String(error.field)}: ${error.message}` : String(error);
  }
};

describe("parseRequest", () => {
  it("takes every field of a request", () => {
    const full = {
      ...{
        ...good,
        runId: "r-1",
        turnId: "t_1",
        contract: [],
        timeoutMs: 100,
        profile: "p",
        backend: "auto",
        workspace: null,
      },
      ...{
        sync: "never",
        durability: "disk",
        stdin: "x",
        args: ["a"],
        env: { A: "b" },
        labels: { l: "m" },
        language: "python",
      },
      ...{ require: ["seccomp"], progName: "main.py" },
    };
    expect(parseRequest(full)).toMatchObject({ runId: "r-1", timeoutMs: 100, workspace: null });
  });

  it.each<[string, Record<string, unknown>]>([
    ["userId", { code: "1" }],
    ["userId", { ...good, userId: 7 }],
    ["code", { userId: "a" }],
    ["code", { ...good, scenario: "1" }],
    ["code", { ...good, code: "x".repeat(4 * 1024 * 1024 + 1) }],
    ["timeoutMs", { ...good, timeoutMs: 99 }],
    ["timeoutMs", { ...good, timeoutMs: Number.NaN }],
    ["timeoutMs", { ...good, timeoutMs: 86_400_001 }],
    ["turnId", { ...good, turnId: "a/b" }],
    ["turnId", { ...good, turnId: "" }],
    ["runId", { ...good, runId: ".." }],
    ["workspace", { ...good, workspace: "A" }],
    ["sync", { ...good, sync: "sometimes" }],
    ["durability", { ...good, durability: "tape" }],
    ["args.0", { ...good, args: ["a\0b"] }],
    ["env.OUTPUT_DIR", { ...good, env: { OUTPUT_DIR: "x" } }],
    ["env.PYTHONPATH", { ...good, env: { PYTHONPATH: "x" } }],
    ["env.LD_PRELOAD", { ...good, env: { LD_PRELOAD: "x" } }],
    ["env.MY_ID", { ...good, env: { MY_ID: "x" } }],
    ["env.a=b", { ...good, env: { "a=b": "x" } }],
    ["env.A", { ...good, env: { A: "x\0" } }],
    ["env.A", { ...good, env: { A: "\ud800" } }],
    ["code", { ...good, code: "print('\ud800')" }],
    ["stdin", { ...good, stdin: "\udfff" }],
    ["signal", { ...good, signal: { aborted: false } }],
    ["language", { ...good, language: "perl" }],
    ["colour", { ...good, colour: "red" }],
  ])("names %s", (name, input) => {
    expect(field(input)).toMatch(new RegExp(`^${name.replaceAll(".", "\\.")}: ${name.replaceAll(".", "\\.")}: .`));
  });

  it.each<[string, Record<string, unknown>]>([
    ["userId: is missing", { code: "1" }],
    ["code: must be a text, not null", { ...good, code: null }],
    ["timeoutMs: must be a number, not a text", { ...good, timeoutMs: "5" }],
    ["timeoutMs: must be a number, not NaN", { ...good, timeoutMs: Number.NaN }],
    ["timeoutMs: must be at least 100", { ...good, timeoutMs: 99 }],
    ["profile: must not be empty", { ...good, profile: "" }],
    ["sync: must be one of always, on-success, never", { ...good, sync: 1 }],
    ["args: must be a list, not a text", { ...good, args: "a" }],
    ["args: must have at most 1000 entries", { ...good, args: Array(1001).fill("a") }],
    ["env: must be an object, not a list", { ...good, env: [] }],
    ["labels.a: must have at most 1024 characters", { ...good, labels: { a: "x".repeat(1025) } }],
  ])("says in our words: %s", (sentence, input) => {
    expect(field(input)?.replace(/^[^:]+: /, "")).toBe(sentence);
  });
});
