// What whoever operates the service sees of it: its unit, its log and its traces.
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { runCli } from "../support/cli.js";
import { jsonOf, startService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const OTEL = fileURLToPath(new URL("../../examples/operation/otel.mjs", import.meta.url));
const PHASES = ["accept", "lock", "bootstrap", "acquire", "execute", "stop", "judge", "sync", "diagnose", "report"];

describe("the unit of systemd", () => {
  const analyze = (...args: string[]) =>
    spawnSync("systemd-analyze", [...args, "deploy/iso-runtime.service"], { encoding: "utf8", cwd: PROJECT });
  const isThere = analyze("--version").error === undefined;
  if (!isThere) console.warn("The unit was NOT checked: this machine has no systemd-analyze.");

  // What it does on a machine is for tests/vm.
  it.runIf(isThere)("is one, and as hard as it says", () => {
    expect(analyze("verify", "--man=no")).toMatchObject({ status: 0, stderr: "" });
    // In tenths; what is between this and none is what sandboxes need, as the unit explains.
    const { status, stdout } = analyze("security", "--offline=true", "--threshold=35");
    expect(status, stdout).toBe(0);
  });
});

describe("the log", () => {
  it("has a line of JSON for each request and each run, and no secret", async () => {
    const service = await startService({ roots: tempDir() }, "--log", "json");
    const body = { userId: "alice", code: "print('hidden-code')", env: { KEY: "hidden-value" } };
    const { runId } = await jsonOf(await service.ask("/v1/runs", { body }));
    await service.ask("/v1/workspace/files/hidden-name?user=alice");
    await service.ask("/v1/runs?user=alice", { headers: { Authorization: "Bearer hidden-token" } });
    service.child.kill("SIGTERM");
    const { stderr } = await service.done;
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = (event: string) => lines.filter((line) => line.event === event);
    expect(told("service").map(({ state }) => state)).toEqual(["listening", "stopping", "stopped"]);
    expect(told("run")).toMatchObject([
      {
        level: "info",
        runId,
        user: "alice",
        status: "succeeded",
        warm: expect.any(Boolean),
        runMs: expect.any(Number),
      },
    ]);
    expect(told("request")).toMatchObject([
      { method: "POST", route: "/v1/runs", status: 200, user: "alice", runId, ms: expect.any(Number) },
      { method: "GET", route: "/v1/workspace/files/{path}", status: 404, code: "not_found" },
      { method: "GET", route: "/v1/runs", status: 401, code: "unauthorized" },
    ]);
    expect(stderr).not.toContain("hidden");
    expect(stderr).not.toContain(service.token);
  });

  it("can be text, or off; and another word is refused", async () => {
    const text = await startService({ roots: tempDir() }, "--log-level", "debug");
    await text.ask("/healthz");
    const off = await startService({ roots: tempDir() }, "--log", "off");
    await off.ask("/healthz");
    for (const { child } of [text, off]) child.kill("SIGTERM");
    expect((await text.done).stderr).toMatch(/^\S+Z DEBUG request method=GET route=\/healthz status=200 ms=[\d.]+$/m);
    expect((await off.done).stderr).toBe("");
    for (const flags of [
      ["--log", "xml"],
      ["--log-level", "loud"],
    ]) {
      const { status, stdout } = await runCli(["serve", "--json", ...flags], { roots: tempDir() });
      expect(status).toBe(2);
      expect(JSON.parse(stdout).error.message).toContain(`${flags[0]}: "${flags[1]}" must be one of`);
    }
  });
});

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code?: number; message?: string };
}

/** Takes traces as a collector does. */
async function collector(): Promise<{ url: string; spans: Span[]; services: Set<unknown> }> {
  const spans: Span[] = [];
  const services = new Set<unknown>();
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    for (const { scopeSpans, resource } of JSON.parse(text).resourceSpans) {
      services.add(attributesOf(resource)["service.name"]);
      for (const { spans: more } of scopeSpans) spans.push(...more);
    }
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, services };
}

const attributesOf = ({ attributes }: Pick<Span, "attributes">) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

describe("traces", () => {
  it("have a span for each step of a run, below the run's, in its caller's trace", async () => {
    const { url, spans, services } = await collector();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, NODE_OPTIONS: `--import ${OTEL}` };
    const service = await startService({ roots: tempDir(), env });
    const [traceId, parent] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
    const code = "import time\ntime.sleep(0.2)\nraise ValueError('hidden-message')";
    const headers = { traceparent: `00-${traceId}-${parent}-01` };
    const result = await jsonOf(await service.ask("/v1/runs", { body: { userId: "alice", code }, headers }));
    await service.ask("/v1/runs", { body: { userId: "bob", code: "" } });
    service.child.kill("SIGTERM");
    expect(await service.done).toMatchObject({ status: 0 });

    const runs = spans.filter(({ name }) => name === "iso_runtime.run");
    expect(runs).toHaveLength(2);
    const run = runs.find((span) => span.traceId === traceId);
    if (run === undefined) throw new Error("no run is in the caller's trace");
    expect(run).toMatchObject({ parentSpanId: parent, status: { code: 2, message: "program_error" } });
    expect(attributesOf(run)).toMatchObject({
      ...{ "iso_runtime.run.id": result.runId, "iso_runtime.run.status": "failed", "enduser.id": "alice" },
      ...{ "iso_runtime.error.code": "program_error", "iso_runtime.profile": "default" },
      ...{ "iso_runtime.backend": result.sandbox.backend, "iso_runtime.warm": result.sandbox.warm },
    });
    const steps = spans.filter(({ parentSpanId }) => parentSpanId === run.spanId);
    expect(steps.map(({ name }) => name).sort()).toEqual(PHASES.map((name) => `iso_runtime.${name}`).sort());
    const ms = ({ startTimeUnixNano, endTimeUnixNano }: Span) =>
      Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
    const execute = steps.find(({ name }) => name === "iso_runtime.execute");
    expect(execute && ms(execute)).toBeCloseTo(result.timings.runMs, 0);
    for (const step of steps) {
      expect(BigInt(step.startTimeUnixNano), step.name).toBeGreaterThanOrEqual(BigInt(run.startTimeUnixNano));
      expect(BigInt(step.endTimeUnixNano), step.name).toBeLessThanOrEqual(BigInt(run.endTimeUnixNano));
    }
    expect(runs.find((span) => span !== run)).toMatchObject({ status: { code: 0 } });
    expect(JSON.stringify(spans)).not.toContain("hidden");
    expect([...services]).toEqual(["iso-runtime"]);
  });
});
