// Every scenario of the seed, by the same cases, on each real backend.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type RunEvent, type RunResult, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { SCENARIO_ROWS } from "../support/scenarios.js";
import { suiteDir } from "../support/temp.js";

describe.each(realBackends())("scenarios on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({
      ...{ backend, workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox"), warm: 1 },
    });
  });
  afterAll(() => runtime?.close());

  async function collect(
    request: Parameters<Runtime["stream"]>[0],
  ): Promise<{ events: RunEvent[]; result: RunResult }> {
    const events: RunEvent[] = [];
    for await (const event of runtime.stream(request)) events.push(event);
    const last = events.at(-1);
    if (last?.type !== "run.finished") throw new Error("the stream did not end with run.finished");
    return { events, result: last.result };
  }

  it.each(SCENARIO_ROWS)("scenario $id ends as $status $code", async (row) => {
    const { events, result } = await collect({ userId: `s${row.id}`, scenario: row.id });
    expect({ status: result.status, code: result.error?.code ?? null }, JSON.stringify(result.error)).toEqual({
      status: row.status,
      code: row.code,
    });
    expect(result.scenario).toBe(row.id);
    expect(result.sandbox?.backend).toBe(backend);
    row.check?.(result);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.some((event) => event.type === "comm.error")).toBe(result.diagnostics.hasError);
    if (result.status === "timed_out") {
      expect(result.error?.exception?.traceback).toContain("main.py");
      expect(result).toMatchObject({ exitCode: null, signal: null });
    }
    for (const { path } of result.changes.created) {
      expect(existsSync(join(roots, "workspace", `s${row.id}`, "out", path)), path).toBe(result.workspace.synced);
    }
    const userLog = readFileSync(join(roots, "sandbox", `s${row.id}`, "out/logs/user.log"), "utf8");
    expect(userLog).toContain(result.output.stdout.text);
    expect(existsSync(join(roots, "workspace", `s${row.id}`, "out/logs"))).toBe(false);
  });

  it("scenario 13 runs under the profile it names, or says exactly what is missing", async () => {
    const profile = backend === "docker" ? undefined : "small";
    const { result } = await collect({ userId: "s13", scenario: "13", ...(profile && { profile }) });
    expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    expect(result.sandbox?.profile).toBe(profile ?? "docker");
  });
});

describe("scenario 13 where there is no Docker", () => {
  const roots = suiteDir();

  it("says exactly what is missing and what mends it", async () => {
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = "unix:///nowhere/docker.sock";
    onTestFinished(() => {
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
    });
    await using runtime = await createRuntime({
      ...{ workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox"), warm: 0 },
    });
    const result = await runtime.run({ userId: "s13", scenario: "scenario 13" });
    expect(result).toMatchObject({ status: "failed", scenario: "13", exitCode: null, sandbox: null });
    expect(result.error).toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringContaining("no Docker engine at unix:///nowhere/docker.sock"),
      hint: expect.stringContaining("docker.io"),
    });
  });
});
