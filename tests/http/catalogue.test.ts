// What there is to be asked for, how the service is doing, and the page that shows its API.
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime } from "../../src/index.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf, problemIn } from "./bed.js";

async function withBundle() {
  const roots = tempDir();
  const runtime = await createRuntime({
    workspaceRoot: `${roots}/w`,
    sandboxRoot: `${roots}/s`,
    python: "/opt/own/python3",
  });
  onTestFinished(() => runtime.close());
  return bed({ runtime });
}

describe("the catalogue", () => {
  it("has the scenarios, tools and profiles of the runtime, without what is the host's", async () => {
    const { ask } = await withBundle();
    const { scenarios } = await jsonOf(await ask("/v1/scenarios", { user: "" }));
    expect(scenarios).toHaveLength(14);
    expect(scenarios[0]).toMatchObject({ id: "0", mode: "contract", timeoutMs: 10_000, profile: null });
    const { tools } = await jsonOf(await ask("/v1/tools", { user: "" }));
    expect(tools).toContainEqual(
      expect.objectContaining({ toolId: "local_tools.write_note", params: ["text"], allowed: true }),
    );
    const profiles = await jsonOf(await ask("/v1/profiles", { user: "" }));
    expect(profiles.default).toBe("default");
    expect(profiles.profiles).toContainEqual(
      expect.objectContaining({
        name: "default",
        network: "none",
        limits: expect.objectContaining({ timeout: 60_000 }),
      }),
    );
    expect(JSON.stringify(profiles)).not.toContain("/opt/own");
  });

  it.each(["/v1/scenarios", "/v1/tools", "/v1/profiles", "/metrics"])("takes no parameters: %s", async (path) => {
    const { ask } = await withBundle();
    expect(await problemIn(await ask(`${path}?x=1`, { user: "" }))).toMatchObject({ status: 400, field: "x" });
  });
});

describe("/metrics", () => {
  it("counts runs by their endings and states, and how long they took, in the format of Prometheus", async () => {
    const it = bed();
    for (const _ of [1, 2, 3]) await it.ask("/v1/runs", { body: { code: "" }, headers: ASYNC });
    const [one, two] = it.runs.begun;
    const timings = { queueMs: 30, bootstrapMs: 0, acquireMs: 0, runMs: 0, judgeMs: 0, syncMs: 0, totalMs: 700 };
    await one?.end({ timings });
    await two?.end({ ok: false, status: "timed_out", timings: { ...timings, totalMs: 20_000 } });
    const response = await it.ask("/metrics", { user: "" });
    expect(response.headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await response.text();
    const figures = new Map(
      text
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#"))
        .map((line): [string, number] => [
          line.slice(0, line.lastIndexOf(" ")),
          Number(line.slice(line.lastIndexOf(" "))),
        ]),
    );
    const figure = (name: string) => figures.get(`iso_runtime_${name}`);
    expect(figure('runs_total{status="succeeded"}')).toBe(1);
    expect(figure('runs_total{status="timed_out"}')).toBe(1);
    expect(figure('runs_total{status="failed"}')).toBe(0);
    expect(figure('runs_under_way{state="queued"}')).toBe(1);
    expect(figure('run_seconds_bucket{le="0.5"}')).toBe(0);
    expect(figure('run_seconds_bucket{le="1"}')).toBe(1);
    expect(figure('run_seconds_bucket{le="30"}')).toBe(2);
    expect(figure('run_seconds_bucket{le="+Inf"}')).toBe(2);
    expect(figure("run_seconds_sum")).toBeCloseTo(20.7);
    expect(figure("run_queue_seconds_count")).toBe(2);
    expect(figure('places{state="taken"}')).toBe(1);
    expect(figure('places{state="all"}')).toBeGreaterThanOrEqual(4);
    expect(figure("queued_runs")).toBe(0);
    expect(figure('refused_runs_total{why="queue"}')).toBe(0);
    expect(figure("memory_bytes")).toBeGreaterThan(1e6);
    expect([...figures.values()].every(Number.isFinite)).toBe(true);
    for (const name of [...figures.keys()].map((key) => /^[a-z_]+?(?=_bucket|_sum|_count|\{|$)/.exec(key)?.[0]))
      expect(text).toContain(`# TYPE ${name} `);
    expect(text).not.toContain("alice");
  });
});

describe("/docs", () => {
  it("is a page of this service alone", async () => {
    const { ask } = bed();
    const response = await ask("/docs", { user: "" });
    const policy = response.headers.get("Content-Security-Policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
    const page = await response.text();
    expect(page).not.toMatch(/https?:\/\//);
    const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path);
    expect(parts).toHaveLength(3);
    for (const path of parts) {
      const part = await ask(path, { user: "", headers: { Authorization: null } });
      expect(part.status, path).toBe(200);
      expect(part.headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(part.headers.get("Content-Type")).toMatch(/^text\/(css|javascript);/);
    }
  });
});
