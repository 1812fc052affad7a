// The service as a team has it: the built command, a real backend, requests over the network of this host.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { eventsOf, jsonOf, startService, type TestService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const ASYNC = { Prefer: "respond-async" };
const WRITES =
  'import os\nopen(os.environ["OUTPUT_DIR"] + "/kept.txt", "w").write("kept")\nprint("ready", flush=True)\n';
const COUNTS = "import time\nfor n in range(20):\n    print(n, flush=True)\n    time.sleep(0.05)\n";
const WAITS = `${WRITES}while True: pass`;

const begin = async ({ ask }: TestService, code: string, userId = "alice"): Promise<string> => {
  const response = await ask("/v1/runs", { body: { userId, code }, headers: ASYNC });
  expect(response.status).toBe(202);
  return (await jsonOf(response)).runId;
};

/** Resolves when the run's program has said that it is ready. */
async function ready({ ask }: TestService, runId: string, user = "alice"): Promise<void> {
  for await (const { text } of eventsOf(await ask(`/v1/runs/${runId}/events?user=${user}`))) if (text) return;
  throw new Error("the run ended and never was ready");
}

describe("a run over HTTP", () => {
  it("is waited for, and answers as the command line does", async () => {
    const roots = tempDir();
    const service = await startService({ roots });
    const body = { userId: "alice", turnId: "one", code: WRITES, contract: [{ path: "kept.txt", description: "it" }] };
    const response = await service.ask("/v1/runs", { body });
    expect(response.status).toBe(200);
    const result = await jsonOf(response);
    expect(result).toMatchObject({
      ...{ schema: "iso-runtime/run-result@1", ok: true, userId: "alice", turnId: "one", mode: "contract" },
      ...{ contract: [{ path: "kept.txt", status: "satisfied" }], output: { stdout: { text: "ready\n" } } },
    });
    expect(result.runId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(readFileSync(join(roots, "workspace/alice/out/kept.txt"), "utf8")).toBe("kept");
    const cli = JSON.parse((await runCli(["run", "--json", "-c", "", "-u", "bob"], { roots })).stdout);
    expect(Object.keys(result)).toEqual(Object.keys(cli).filter((key) => key !== "paths"));
    const failed = await jsonOf(await service.ask("/v1/runs", { body: { userId: "alice", code: "1/0" } }));
    expect(failed).toMatchObject({ ok: false, status: "failed", error: { code: "program_error" } });
    const scenario = await jsonOf(await service.ask("/v1/runs?user=alice", { body: { scenario: "scenario 0" } }));
    expect(scenario).toMatchObject({ ok: true, scenario: "0", totals: { toolCalls: 1 } });
  });

  it("is followed to its end, over a connection that is cut again and again, without gap or repeat", async () => {
    const service = await startService({ roots: tempDir() });
    const runId = await begin(service, COUNTS);
    const seen: { seq: number; type: string; text?: string }[] = [];
    let cuts = 0;
    for (let ended = false; !ended; cuts += 1) {
      const after = String(seen.at(-1)?.seq ?? 0);
      const response = await service.ask(`/v1/runs/${runId}/events?user=alice`, {
        headers: { "Last-Event-ID": after },
      });
      let read = 0;
      for await (const event of eventsOf(response)) {
        seen.push(event);
        read += 1;
        ended = event.type === "run.finished";
        if (read === 3) break;
      }
    }
    expect(cuts).toBeGreaterThan(3);
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen[0]).toMatchObject({ type: "run.accepted" });
    expect(seen.map(({ text }) => text ?? "").join("")).toBe(Array.from({ length: 20 }, (_, n) => `${n}\n`).join(""));
    expect(seen.at(-1)).toMatchObject({ result: { ok: true, runId } });
    expect(seen.at(-1)).not.toHaveProperty("result.paths");
    const whole: unknown[] = [];
    for await (const event of eventsOf(await service.ask(`/v1/runs/${runId}/events?user=alice`))) whole.push(event);
    expect(whole).toEqual(seen);
  });

  it("is cancelled: what it wrote is kept, and nothing of it is left", async () => {
    const roots = tempDir();
    const service = await startService({ roots });
    const runId = await begin(service, WAITS);
    await ready(service, runId);
    expect(await jsonOf(await service.ask(`/v1/runs/${runId}?user=alice`))).toMatchObject({ status: "running" });
    expect((await service.ask(`/v1/runs/${runId}/cancel?user=alice`, { method: "POST" })).status).toBe(202);
    const events: unknown[] = [];
    for await (const event of eventsOf(await service.ask(`/v1/runs/${runId}/events?user=alice`))) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: "run.finished", result: { status: "cancelled" } });
    expect(readFileSync(join(roots, "workspace/alice/out/kept.txt"), "utf8")).toBe("kept");
  });

  it("is one run for one key, also while it runs", async () => {
    const service = await startService({ roots: tempDir() });
    const code =
      'import os\np = os.environ["OUTPUT_DIR"] + "/n"\nn = int(open(p).read()) if os.path.exists(p) else 0\nopen(p, "w").write(str(n + 1))\nprint(n + 1)';
    const asked = { body: { userId: "alice", code }, headers: { "Idempotency-Key": "order-7" } };
    const answers = await Promise.all([1, 2, 3].map(() => service.ask("/v1/runs", asked)));
    const results = await Promise.all(answers.map(jsonOf));
    expect(new Set(results.map(({ runId }) => runId)).size).toBe(1);
    expect(results[2].output.stdout.text).toBe("1\n");
    const other = await service.ask("/v1/runs", { ...asked, body: { userId: "alice", code: "" } });
    expect(other.status).toBe(409);
  });

  it("is no business of another user's", async () => {
    const service = await startService({ roots: tempDir() });
    const runId = await begin(service, WAITS);
    await ready(service, runId);
    for (const [method, path] of [
      ["GET", `/v1/runs/${runId}`],
      ["GET", `/v1/runs/${runId}/events`],
      ["POST", `/v1/runs/${runId}/cancel`],
    ] as const) {
      expect((await service.ask(`${path}?user=bob`, { method })).status, path).toBe(404);
    }
    expect(await jsonOf(await service.ask("/v1/runs?user=bob"))).toEqual({ runs: [], next: null });
    expect(await jsonOf(await service.ask("/v1/runs?user=alice"))).toMatchObject({
      runs: [{ runId, status: "running" }],
    });
  });
});

describe("a workspace over HTTP", () => {
  const FILE = "/v1/workspace/files/data/in.txt?user=alice";

  it("takes a file for a run to read, gives back what the run wrote, in parts too, and undoes it", async () => {
    const service = await startService({ roots: tempDir() });
    const text = "line\n".repeat(1000);
    expect((await service.ask(FILE, { method: "PUT", body: text })).status).toBe(200);
    const code =
      'import os\nbase = os.environ["OUTPUT_DIR"]\nlines = open(base + "/data/in.txt").readlines()\nopen(base + "/data/in.txt", "w").write("changed")\nopen(base + "/count.txt", "w").write(str(len(lines)))';
    const result = await jsonOf(await service.ask("/v1/runs", { body: { userId: "alice", code } }));
    expect(result).toMatchObject({
      ok: true,
      changes: { created: [{ path: "count.txt" }], modified: [{ path: "data/in.txt" }] },
    });
    const count = "/v1/workspace/files/count.txt?user=alice";
    expect(await (await service.ask(count)).text()).toBe("1000");
    expect(await (await service.ask(count, { headers: { Range: "bytes=1-2" } })).text()).toBe("00");
    expect((await service.ask(count.replace("alice", "bob"))).status).toBe(404);
    const undone = await service.ask("/v1/workspace/undo?user=alice", { body: {} });
    expect(await jsonOf(undone)).toMatchObject({ changes: { deleted: 1, modified: 1 } });
    expect(await (await service.ask(FILE)).text()).toBe(text);
    expect((await service.ask(count)).status).toBe(404);
    const left = (user: string) => service.ask(`/v1/runs/${result.runId}/files/count.txt?user=${user}`);
    expect(await (await left("alice")).text()).toBe("1000");
    expect((await left("bob")).status).toBe(404);
    const { versions } = await jsonOf(await service.ask("/v1/workspace/versions?user=alice"));
    expect(versions.map(({ kind }: { kind: string }) => kind)).toEqual(["undo", "run", "put", "start"]);
    const escaped = await service.ask("/v1/workspace/files/..%2F..%2Fescaped?user=alice", { method: "PUT", body: "x" });
    expect(escaped.status).toBe(400);
  });

  it("waits its turn behind a run that has it, and is whole after", async () => {
    const roots = tempDir();
    const service = await startService({ roots });
    const runId = await begin(service, `${WRITES}import time\ntime.sleep(1)`);
    await ready(service, runId);
    const put = await jsonOf(await service.ask(FILE, { method: "PUT", body: "sent" }));
    expect(put.version).toContain(".put");
    // The lock goes on before the run's own result is written down.
    const look = async () => jsonOf(await service.ask(`/v1/runs/${runId}?user=alice`));
    await expect.poll(async () => (await look()).ok).toBe(true);
    const { version } = (await look()).workspace;
    expect(version < put.version).toBe(true);
    for (const [path, text] of [
      ["data/in.txt", "sent"],
      ["kept.txt", "kept"],
    ] as const)
      expect(readFileSync(join(roots, "workspace/alice/out", path), "utf8")).toBe(text);
  });
});

describe("docs/service.md", () => {
  const examples = [...readFileSync("docs/service.md", "utf8").matchAll(/^```sh\n(curl|RUN=)([\s\S]*?)^```/gm)].map(
    ([, start, rest]) => `${start}${rest}`,
  );

  it("shows what works", async () => {
    const { url, token } = await startService({ roots: tempDir() });
    const env = { PATH: process.env.PATH ?? "", ISO_URL: url.replace(/\/$/, ""), ISO_TOKEN: token };
    const run = promisify(execFile);
    const outputs: string[] = [];
    for (const example of examples) outputs.push((await run("sh", ["-ec", example], { env })).stdout);
    expect(outputs.filter((text) => text.includes("urn:iso-runtime:error"))).toEqual([]);
    expect(JSON.parse(outputs[0] ?? "")).toMatchObject({ ok: true, contract: [{ status: "satisfied" }] });
    expect(JSON.parse(outputs[1] ?? "")).toMatchObject({ userId: "alice", status: "queued" });
    expect(outputs[2]).toMatch(/^id: 2\n[\s\S]*event: run\.finished\n/m);
    expect(outputs[2]).not.toMatch(/^id: 1$/m);
    expect(JSON.parse(outputs[3] ?? "")).toMatchObject({ runs: [{ status: "succeeded" }], next: null });
    expect(JSON.parse(outputs[4] ?? "")).toMatchObject({ userId: "alice", total: { byStatus: { succeeded: 2 } } });
    expect(outputs.at(-1)).toContain("local_tools.write_note");
    expect(outputs.at(-1)).toMatch(/^iso_runtime_runs_total\{status="succeeded"\} [12]$/m);
    expect(outputs[5]).toMatch(/^\{"path":"notes\/readme.md".*\}# iso-runt$/);
  });
});

describe("the service", () => {
  it("answers nobody without its token, under another name, or from another page", async () => {
    const service = await startService({ roots: tempDir() });
    const status = (headers: Record<string, string>) =>
      new Promise((resolve, reject) => {
        const sent = request(new URL("/v1/runs?user=alice", service.url), { headers }, (response) => {
          resolve(response.resume().statusCode);
        });
        sent.on("error", reject).end();
      });
    const Authorization = `Bearer ${service.token}`;
    expect(await status({ Authorization })).toBe(200);
    expect(await status({})).toBe(401);
    expect(await status({ Authorization, Host: "rebound.example" })).toBe(403);
    expect(await status({ Authorization, Origin: "http://attacker.example" })).toBe(403);
    expect((await service.ask("/v1/runs", { body: "{", headers: { "Content-Type": "application/json" } })).status).toBe(
      400,
    );
  });

  it("describes itself, as built too", async () => {
    const service = await startService({ roots: tempDir() });
    const { components, paths } = await jsonOf(await service.ask("/openapi.json"));
    expect(components.schemas.RunRequest.properties.code).toMatchObject({ type: "string" });
    expect(components.schemas.RunResult.properties.status.enum).toContain("timed_out");
    expect(Object.keys(paths)).toContain("/v1/runs/{runId}/events");
    expect(await (await service.ask("/docs")).text()).toContain("/docs/swagger-ui-bundle.js");
    expect(await (await service.ask("/docs/swagger-ui-bundle.js")).text()).toContain("SwaggerUIBundle");
    expect(existsSync("dist/api-docs/LICENSE")).toBe(true);
  });

  it("refuses to listen where others could reach it", async () => {
    const { status, stdout } = await runCli(["serve", "--host", "0.0.0.0", "--json"], { roots: tempDir() });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: "config_invalid" } });
  });

  it.each<[string, string[]]>([
    ["a port that there is not", ["--port", "70000"]],
    ["no number", ["--drain", "soon"]],
    ["a profile that there is not", ["--profile", "nope"]],
  ])("says at once what is wrong with its flags: %s", async (_name, flags) => {
    const { status, stdout } = await runCli(["serve", "--json", ...flags], { roots: tempDir() });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
  });

  it("stops when it is told to: the run that is under way ends, its caller has the result, nothing is left", async () => {
    const roots = tempDir();
    const service = await startService({ roots }, "--drain", "30");
    const code = `${WRITES}import time\ntime.sleep(1.5)\nprint("done")`;
    const waiting = service.ask("/v1/runs", { body: { userId: "alice", code } });
    const later = await begin(service, code, "bob");
    await ready(service, later, "bob");
    service.child.kill("SIGTERM");
    await expect.poll(async () => (await service.ask("/readyz")).status).toBe(503);
    expect((await service.ask("/v1/runs", { body: { userId: "alice", code: "" } })).status).toBe(503);
    expect(await jsonOf(await waiting)).toMatchObject({ ok: true, output: { stdout: { text: "ready\ndone\n" } } });
    expect(await service.done).toMatchObject({ status: 0, signal: null });
    for (const user of ["alice", "bob"]) expect(existsSync(join(roots, `workspace/${user}/out/kept.txt`))).toBe(true);
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
    const next = await startService({ roots });
    expect(await jsonOf(await next.ask(`/v1/runs/${later}?user=bob`))).toMatchObject({ ok: true, runId: later });
    expect((await next.ask(`/v1/runs/${later}?user=alice`)).status).toBe(404);
  });

  it("says of a run that it was killed with that it was interrupted, and what was done before stays", async () => {
    const roots = tempDir();
    const service = await startService({ roots });
    const done = await jsonOf(await service.ask("/v1/runs", { body: { userId: "alice", code: WRITES } }));
    const runId = await begin(service, WAITS, "bob");
    await ready(service, runId, "bob");
    service.child.kill("SIGKILL");
    await service.done;
    const next = await startService({ roots });
    const interrupted = await jsonOf(await next.ask(`/v1/runs/${runId}?user=bob`));
    expect(interrupted).toMatchObject({ runId, status: "failed", error: { code: "interrupted" } });
    expect(await jsonOf(await next.ask(`/v1/runs/${done.runId}?user=alice`))).toEqual(done);
    const left = await next.ask(`/v1/runs/${done.runId}/files/kept.txt?user=alice`);
    expect(await left.text()).toBe("kept");
    expect(existsSync(join(roots, "workspace/bob/out/kept.txt"))).toBe(false);
    expect((await jsonOf(await next.ask("/v1/runs", { body: { userId: "bob", code: "print(1)" } }))).ok).toBe(true);
    next.child.kill("SIGTERM");
    await next.done;
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });

  it("cancels at its stop what runs for longer than it may", async () => {
    const roots = tempDir();
    const service = await startService({ roots }, "--drain", "0");
    const runId = await begin(service, WAITS);
    await ready(service, runId);
    const following = service.ask(`/v1/runs/${runId}/events?user=alice`);
    await following;
    service.child.kill("SIGTERM");
    const events: unknown[] = [];
    for await (const event of eventsOf(await following)) events.push(event);
    expect(events.at(-1)).toMatchObject({ result: { status: "cancelled" } });
    expect(await service.done).toMatchObject({ status: 0 });
    expect(readFileSync(join(roots, "workspace/alice/out/kept.txt"), "utf8")).toBe("kept");
    expect(await leftOver(join(roots, "sandbox"))).toEqual([]);
  });
});
