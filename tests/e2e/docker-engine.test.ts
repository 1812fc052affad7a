// What becomes of runs when a Docker engine falls silent, dies or is meddled with: truth about the ending, and nothing left.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRuntime, type RunResult, type Runtime } from "../../src/index.js";
import { DockerBackend } from "../../src/sandbox/docker/backend.js";
import { makeContext } from "../sandbox/docker/bed.js";
import { realBackends } from "../support/backends.js";
import { EngineProxy } from "../support/engine-proxy.js";
import { leftOver } from "../support/processes.js";
import { suiteDir } from "../support/temp.js";

const TICKING =
  'import os, time\nprint("ready")\nwhile True:\n    open(os.path.join(os.environ["OUTPUT_DIR"], "tick"), "w").write(str(time.time()))\n    time.sleep(0.01)';

describe.runIf(realBackends().includes("docker"))("a Docker engine", () => {
  const roots = suiteDir();
  const host = process.env.DOCKER_HOST ?? "";
  const docker = new Docker({ socketPath: host.replace(/^unix:\/\//, "") });
  let proxy: EngineProxy;
  let runtime: Runtime;
  let turn = 0;
  let others: string[] = [];

  beforeEach(async () => {
    turn += 1;
    others = [];
    others = await containers();
    proxy = new EngineProxy(join(roots, `engine${turn}`), host);
    await proxy.listen();
    process.env.DOCKER_HOST = proxy.host;
    runtime = await createRuntime({ ...options(), warm: 0 });
    process.env.DOCKER_HOST = host;
  });
  afterEach(async () => {
    await runtime.close();
    proxy.die();
    expect(await containers()).toEqual([]);
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });
  afterAll(() => {
    process.env.DOCKER_HOST = host;
  });

  function options() {
    return { backend: "docker", workspaceRoot: join(roots, "workspace"), sandboxRoot: join(roots, "sandbox") };
  }

  /** Ours alone, whatever other tests left. */
  async function containers(): Promise<string[]> {
    const found = await docker.listContainers({ all: true, filters: { label: ["iso-runtime"] } });
    return found.map(({ Id }) => Id).filter((id) => !others.includes(id));
  }

  /** Runs until it is ready, then does something to it. */
  async function disturbed(act: () => unknown, timeoutMs = 60_000): Promise<RunResult> {
    for await (const event of runtime.stream({ userId: "d", code: TICKING, timeoutMs })) {
      if (event.type === "output") await act();
      if (event.type === "run.finished") return event.result;
    }
    throw new Error("no end");
  }

  it("is not waited for by a run whose end the kernel and the supervisor both tell", async () => {
    const code = 'print("ready")\nimport time; time.sleep(0.5)';
    for await (const event of runtime.stream({ userId: "d", code, timeoutMs: 20_000 })) {
      if (event.type === "output") proxy.silent = true;
      if (event.type !== "run.finished") continue;
      expect(event.result, JSON.stringify(event.result.error)).toMatchObject({ status: "succeeded", exitCode: 0 });
      expect(event.result.sandbox?.policy.limits).toMatchObject({ memory: { hits: 0 }, processes: { hits: 0 } });
    }
    proxy.die();
    proxy.silent = false;
    await proxy.listen();
  });

  it("that dies in the middle takes the program along, and what it left is removed when it is back", async () => {
    const result = await disturbed(() => proxy.die());
    expect(result).toMatchObject({ status: "failed", exitCode: null, signal: null });
    expect(result.error).toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(/the Docker engine was lost/),
    });
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    const tick = join(roots, "workspace/d/out/tick");
    expect(existsSync(tick)).toBe(true);
    const kept = readFileSync(join(roots, "sandbox/d/out/tick"), "utf8");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readFileSync(join(roots, "sandbox/d/out/tick"), "utf8")).toBe(kept);

    expect((await runtime.run({ userId: "d", code: "" })).error).toMatchObject({ code: "sandbox_unavailable" });
    await proxy.listen();
    expect(await runtime.run({ userId: "d", code: "" })).toMatchObject({ status: "succeeded" });
  });

  it.each([
    ["removed", (id: string) => docker.getContainer(id).remove({ force: true })],
    ["killed", (id: string) => docker.getContainer(id).kill()],
    ["stopped", (id: string) => docker.getContainer(id).stop()],
  ])("whose container somebody else %s: the run says so", async (_name, act) => {
    const result = await disturbed(async () => {
      for (const id of await containers()) await act(id).catch(() => undefined);
    });
    expect(result.error).toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(/somebody else (ended|removed) the container/),
    });
    expect(result).toMatchObject({ exitCode: null, signal: null, output: { stdout: { text: "ready\n" } } });
  });

  it("keeps a living neighbour's containers and loses a dead one's", async () => {
    await using neighbour = await createRuntime({ ...options(), warm: 1 });
    await neighbour.warm();
    const [living] = await containers();
    const labels = (await docker.getContainer(living ?? "").inspect()).Config.Labels;
    const dead = await docker.createContainer({
      Image: "iso-runtime/python:3.12",
      Labels: { ...labels, "iso-runtime.instance": "00000000deadbeef" },
    });
    await using next = await createRuntime({ ...options(), warm: 0 });
    expect(await next.run({ userId: "n", code: "" })).toMatchObject({ status: "succeeded" });
    await expect.poll(containers).toEqual([living]);
    expect(dead.id).not.toBe(living);
    expect(await neighbour.run({ userId: "m", code: "" })).toMatchObject({ ok: true, sandbox: { warm: true } });
  });

  it("runs containers by the runtime that the profile names, and says which there are", async () => {
    const profiles = { other: { backend: "docker", runtime: "other" }, none: { backend: "docker", runtime: "runsc" } };
    await using own = await createRuntime({ ...options(), config: { profiles }, warm: 0 });
    const used: string[] = [];
    const request = { userId: "r", code: 'print("here")\nimport time\ntime.sleep(0.5)', profile: "other" };
    for await (const event of own.stream(request)) {
      if (event.type === "output") {
        for (const id of await containers())
          used.push((await docker.getContainer(id).inspect()).HostConfig.Runtime ?? "");
      }
      if (event.type === "run.finished") expect(event.result).toMatchObject({ ok: true, error: null });
    }
    expect(used).toEqual(["other"]);
    expect((await own.run({ userId: "r", code: "", profile: "none" })).error).toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(/has no runtime "runsc". It has: .*other/),
      hint: expect.stringContaining("daemon.json"),
    });
  });

  it.each<[string, (slots: string, runner: string) => { from: string; to: string }[], RegExp | null]>([
    ["right", (slots) => [{ from: slots, to: `${slots}/.` }], null],
    ["wrong for our folders", (slots) => [{ from: slots, to: "/nowhere" }], /is wrong: .*\/nowhere/],
    ["wrong for the runner", (_, runner) => [{ from: runner, to: "/nowhere" }], /is wrong: .*\/nowhere/],
  ])("that calls our paths otherwise: the self-test says where the map is %s", async (_name, map, message) => {
    const slotsDir = join(roots, `slots${turn}`);
    mkdirSync(slotsDir);
    const runnerDir = fileURLToPath(new URL("../../python", import.meta.url));
    const backend = new DockerBackend({
      ...makeContext({ host, hostPathMap: map(slotsDir, runnerDir) }),
      ...{ slotsDir, runnerDir },
    });
    const { usable, checks } = await backend.probe();
    const check = checks.find(({ name }) => name === "path map");
    expect(usable).toBe(message === null);
    expect(check?.message).toMatch(message ?? /the daemon finds our folders/);
    await backend.close();
    expect(readdirSync(slotsDir)).toEqual([]);
  });
});
