// A Docker engine of its own that is killed, or stands still, in the middle of a run: the truth about the ending, no program left,
// and the next run works as soon as the engine does.

import { join } from "node:path";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunResult, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { type PrivateDocker, start } from "../support/dockerd.js";
import { leftOver } from "../support/processes.js";
import { suiteDir } from "../support/temp.js";
import { tracesOf } from "../support/traces.js";

const TICKING =
  'import os, time\nprint("ready")\nwhile True:\n    open(os.path.join(os.environ["OUTPUT_DIR"], "tick"), "w").write(str(time.time()))\n    time.sleep(0.01)';

describe.runIf(realBackends().includes("docker"))("a dockerd", () => {
  const roots = suiteDir();
  let engine: PrivateDocker;
  let docker: Docker;
  let before: string | undefined;
  let runtime: Runtime;

  beforeAll(async () => {
    before = process.env.DOCKER_HOST;
    engine = await start();
    docker = new Docker({ socketPath: engine.host.replace("unix://", "") });
    process.env.DOCKER_HOST = engine.host;
    runtime = await createRuntime({
      ...{ backend: "docker", warm: 0 },
      ...{ workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox") },
    });
    process.env.DOCKER_HOST = before;
  });
  afterAll(async () => {
    await runtime.close();
    expect(await tracesOf(roots)).toEqual([]);
    await engine.stop();
  });

  async function disturbed(act: () => void): Promise<RunResult> {
    for await (const event of runtime.stream({ userId: "d", code: TICKING, timeoutMs: 5_000 })) {
      if (event.type === "output") act();
      if (event.type === "run.finished") return event.result;
    }
    throw new Error("no end");
  }

  const containers = async () => (await docker.listContainers({ all: true })).map(({ Id }) => Id);

  it("that is killed in the middle of a run: said, its program dead, and all is well once it is back", {
    timeout: 180_000,
  }, async () => {
    expect(await runtime.run({ userId: "d", code: "" })).toMatchObject({ ok: true });
    const result = await disturbed(() => process.kill(engine.pid, "SIGKILL"));
    expect(result, JSON.stringify(result.error)).toMatchObject({
      ...{ ok: false, status: "failed", exitCode: null, signal: null },
      error: { code: "sandbox_unavailable", message: expect.stringMatching(/Docker engine/) },
    });
    // The container outlives its engine; our program in it does not.
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    const meanwhile = await runtime.run({ userId: "d", code: "" });
    expect(meanwhile.error).toMatchObject({ code: "sandbox_unavailable", hint: expect.any(String) });
    await engine.again();
    expect(await runtime.run({ userId: "d", code: "" })).toMatchObject({ ok: true });
    await expect.poll(containers, { timeout: 20_000 }).toEqual([]);
  });

  it("that stands still in the middle of a run: noticed in bounded time", { timeout: 240_000 }, async () => {
    const { pid } = engine;
    try {
      const result = await disturbed(() => process.kill(pid, "SIGSTOP"));
      expect(result.ok).toBe(false);
      expect(["timed_out", "failed"]).toContain(result.status);
      expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
      const meanwhile = await runtime.run({ userId: "d", code: "" });
      expect(meanwhile.error).toMatchObject({ code: "sandbox_unavailable", hint: expect.any(String) });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect(await runtime.run({ userId: "d", code: "" })).toMatchObject({ ok: true });
    await expect.poll(containers, { timeout: 20_000 }).toEqual([]);
  });
});
