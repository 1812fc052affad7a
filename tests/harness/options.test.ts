import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRuntime, execTools } from "../../src/index.js";
import { tempDir } from "../support/temp.js";

describe("a mistake in createRuntime's options", () => {
  it.each<[string, unknown]>([
    ["options: must be an object, not null", null],
    ["colour: is not an option", { colour: "red" }],
    ["workspaceRoot: must not be empty", { workspaceRoot: "" }],
    ["sandboxRoot: must be a text, not a number", { sandboxRoot: 5 }],
    ["backend: must be a text", { backend: 5 }],
    ['backend: there is no backend "moon". There are: auto, zygote, bubblewrap, docker', { backend: "moon" }],
    ['There is no profile "moon". There are: default, docker', { profile: "moon" }],
    ['There is no profile "moon"', { config: { defaultProfile: "moon" } }],
    ["python: must be a text", { python: false }],
    ["tools: must be a path or an object", { tools: 5 }],
    ["bundle: must be a path or an object", { bundle: "" }],
    ["bundle: name is missing", { bundle: {} }],
    ["config: must be a path or an object", { config: null }],
    ["warm: must be at most 64", { warm: 1e9 }],
    ["warm: must be at least 0", { warm: -1 }],
    ["warmMemory: must be at least 0", { warmMemory: -1 }],
    ["backends.0: must be a backend", { backends: ["docker"] }],
  ])("is told when the runtime is made: %s", async (sentence, options) => {
    await expect(createRuntime(options as never)).rejects.toThrow(sentence);
  });
});

describe("what is no request", () => {
  it("is thrown by each way to run, and a signal that is none is refused by each", async () => {
    const roots = tempDir();
    await using runtime = await createRuntime({ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s") });
    await expect(runtime.stream(null as never).next()).rejects.toThrow("a request must be an object");
    await expect(execTools.runExecTool(null as never)).rejects.toThrow("a request must be an object");
    const bad = { userId: "a", code: "1", signal: 5 as never };
    expect(await runtime.run(bad)).toMatchObject({ status: "rejected", error: { code: "invalid_request" } });
    for await (const event of runtime.stream(bad))
      expect(event).toMatchObject({
        type: "run.finished",
        result: { error: { message: "signal: must be an AbortSignal" } },
      });
    expect(await runtime.run({ userId: "a", code: "1", contract: null as never })).toMatchObject({
      error: { code: "contract_invalid" },
    });
    const traps = {
      userId: "a",
      get code(): string {
        throw new Error("a trap");
      },
    };
    expect(await runtime.run(traps)).toMatchObject({
      ...{ status: "rejected", error: { code: "invalid_request", message: "request: a field cannot be read: a trap" } },
    });
    expect(existsSync(join(roots, "w"))).toBe(false);
    await execTools.close();
  });
});
