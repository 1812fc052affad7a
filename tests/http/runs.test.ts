// The routes of runs: what they take, what they answer, and to whom.
import { describe, expect, it } from "vitest";
import { Admission, queueLimits } from "../../src/harness/admission.js";
import { ASYNC, bed, jsonOf, problemIn } from "./bed.js";

const NOBODYS = "0193a2c0-8f4e-7c31-b5a2-3f1de2c4a901";

async function startAsync({ ask, runs }: ReturnType<typeof bed>, user = "alice", headers = {}) {
  const response = await ask("/v1/runs", { user, body: { code: "print(1)" }, headers: { ...ASYNC, ...headers } });
  expect(response.status).toBe(202);
  return { run: runs.last, response, body: await jsonOf(response) };
}

describe("POST /v1/runs", () => {
  it("answers with the result when the run has ended, without the host's paths", async () => {
    const { ask, runs } = bed();
    const answer = ask("/v1/runs", { body: { userId: "alice", code: "print(1)", args: ["x"] }, user: "" });
    await expect.poll(() => runs.begun.length).toBe(1);
    expect(runs.last.request).toMatchObject({ userId: "alice", code: "print(1)", args: ["x"] });
    await runs.last.end({ status: "failed", ok: false });
    const response = await answer;
    expect(response.status).toBe(200);
    expect(response.headers.get("Location")).toBe(`/v1/runs/${runs.last.runId}?user=alice`);
    const body = await jsonOf(response);
    expect(body).toMatchObject({ schema: "iso-runtime/run-result@1", runId: runs.last.runId, status: "failed" });
    expect(body).not.toHaveProperty("paths");
  });

  it("answers at once where that is preferred, and the address it names has the rest", async () => {
    const it = bed();
    const { run, response, body } = await startAsync(it);
    expect(body).toMatchObject({ runId: run.runId, userId: "alice", status: "queued" });
    expect(Math.abs(Date.parse(body.acceptedAt) - Date.now())).toBeLessThan(60_000);
    expect(response.headers.get("Preference-Applied")).toBe("respond-async");
    const location = response.headers.get("Location") ?? "";
    run.events.emit({ type: "run.started", backend: "b", profile: "p", warm: true });
    expect(await jsonOf(await it.ask(location, { user: "" }))).toMatchObject({ status: "running" });
    run.events.emit({ type: "tool.called", id: "1", toolId: "a.b", params: {}, callReason: null });
    expect(await jsonOf(await it.ask(location, { user: "" }))).toMatchObject({ status: "waiting" });
    await run.end();
    const ended = await jsonOf(await it.ask(location, { user: "" }));
    expect(ended).toMatchObject({ schema: "iso-runtime/run-result@1", status: "succeeded" });
    expect(JSON.stringify(ended)).not.toContain("/secret");
  });

  it.each([
    ["no JSON", '{"code":', "invalid_request", undefined],
    ["no object", "[]", "invalid_request", "request"],
    ["a field that there is not", { code: "", user: "x" }, "invalid_request", "user"],
    ["an id, which is the service's to make", { code: "", runId: "mine" }, "invalid_request", "runId"],
    ["a wrong type", { code: 1 }, "invalid_request", "code"],
    ["a wrong list", { code: "", args: ["a\u0000"] }, "invalid_request", "args.0"],
    ["another user than the address", { code: "", userId: "bob" }, "invalid_request", "userId"],
    ["bytes that are no UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), "invalid_request", undefined],
  ])("refuses %s, and nothing runs", async (_name, body, code, field) => {
    const { ask, runs } = bed();
    const response = await ask("/v1/runs", { body });
    expect(response.status).toBe(400);
    expect(await problemIn(response)).toMatchObject({ code, ...(field && { field }) });
    expect(runs.begun).toEqual([]);
  });

  it("refuses what the runtime does not take, with the code it has for it", async () => {
    const { ask } = bed();
    expect(await problemIn(await ask("/v1/runs", { body: { code: "", profile: "x" } }))).toMatchObject({
      ...{ status: 404, code: "unknown_profile", field: "profile" },
    });
    expect(await problemIn(await ask("/v1/runs", { user: "..", body: { code: "" } }))).toMatchObject({
      ...{ status: 400, code: "invalid_user_id" },
    });
    expect(await problemIn(await ask("/v1/runs", { user: "", body: { code: "" } }))).toMatchObject({
      ...{ status: 400, code: "invalid_user_id", field: "userId" },
    });
  });

  it("refuses a body of another type, and one that is too large however it comes", async () => {
    const { ask, runs } = bed();
    const text = await ask("/v1/runs", { body: "{}", headers: { "Content-Type": "text/plain" } });
    expect(await problemIn(text)).toMatchObject({ status: 415, code: "unsupported_media_type" });
    const large = await ask("/v1/runs", { body: " ".repeat(16 * 1024 * 1024 + 1) });
    expect(await problemIn(large)).toMatchObject({ status: 413, code: "too_large" });
    const lied = await ask("/v1/runs", { body: "{}", headers: { "Content-Length": "99999999" } });
    expect(await problemIn(lied)).toMatchObject({ status: 413 });
    expect(runs.begun).toEqual([]);
  });

  it("answers with a problem where nothing could run, and names the run", async () => {
    const { ask, runs } = bed();
    const answer = ask("/v1/runs", { body: { code: "" } });
    await expect.poll(() => runs.begun.length).toBe(1);
    await runs.last.end({
      ok: false,
      status: "failed",
      error: { code: "sandbox_unavailable", message: "none", hint: "h" },
    });
    expect(await problemIn(await answer)).toMatchObject({
      ...{ status: 503, code: "sandbox_unavailable", hint: "h", runId: runs.last.runId },
    });
  });

  it("takes no more than there may be, and none while it stops", async () => {
    const queue = queueLimits({ atOnce: 1, perUser: 1, queued: 0 });
    const it = bed({ admission: new Admission({ queue, rate: null }) });
    const { run } = await startAsync(it);
    const busy = await it.ask("/v1/runs", { body: { code: "" } });
    expect(busy.headers.get("Retry-After")).toBe("1");
    expect(await problemIn(busy)).toMatchObject({ status: 429, code: "too_busy" });
    await run.end();
    const rate = { count: 1, perMs: 90_000 };
    const often = bed({ admission: new Admission({ queue: queueLimits(), rate }) });
    await startAsync(often);
    const tooOften = await often.ask("/v1/runs", { body: { code: "" } });
    expect(tooOften.headers.get("Retry-After")).toBe("90");
    expect(await problemIn(tooOften)).toMatchObject({ status: 429, code: "too_busy" });
    it.registry.close();
    const stopping = await it.ask("/v1/runs", { body: { code: "" } });
    expect(stopping.headers.get("Retry-After")).not.toBeNull();
    expect(await problemIn(stopping)).toMatchObject({ status: 503, code: "shutting_down" });
    expect((await it.ask("/readyz", { user: "" })).status).toBe(503);
    expect((await it.ask("/healthz", { user: "" })).status).toBe(200);
  });
});

describe("Idempotency-Key", () => {
  const keyed = { "Idempotency-Key": "order-7" };

  it("makes the same request the same run, while it runs and after", async () => {
    const it = bed();
    const { run } = await startAsync(it, "alice", keyed);
    expect((await startAsync(it, "alice", keyed)).body).toMatchObject({ runId: run.runId });
    await run.end();
    const again = await it.ask("/v1/runs", { body: { code: "print(1)" }, headers: { ...ASYNC, ...keyed } });
    expect(again.status).toBe(200);
    expect(await jsonOf(again)).toMatchObject({ runId: run.runId, status: "succeeded" });
    expect(it.runs.begun).toHaveLength(1);
  });

  it("does not let one user have all connections wait for one run", async () => {
    const queue = queueLimits({ atOnce: 2, perUser: 1, queued: 4, queuedPerUser: 2 });
    const it = bed({ admission: new Admission({ queue, rate: null }) });
    const wait = (user: string) => it.ask("/v1/runs", { user, body: { code: "" }, headers: keyed });
    const waiting = [1, 2, 3].map(() => wait("alice"));
    expect(await problemIn(await wait("alice"))).toMatchObject({ status: 429, code: "too_busy" });
    const others = wait("bob");
    await expect.poll(() => it.runs.begun.length).toBe(2);
    for (const run of it.runs.begun) await run.end();
    for (const response of await Promise.all([...waiting, others])) expect(response.status).toBe(200);
    expect((await wait("alice")).status).toBe(200);
  });

  it("is refused with another request, and is each user's own", async () => {
    const it = bed();
    await startAsync(it, "alice", keyed);
    const other = await it.ask("/v1/runs", { body: { code: "print(2)" }, headers: { ...ASYNC, ...keyed } });
    expect(await problemIn(other)).toMatchObject({ status: 409, code: "conflict", field: "Idempotency-Key" });
    await startAsync(it, "bob", keyed);
    expect(it.runs.begun).toHaveLength(2);
  });

  it("is free again where the request was refused", async () => {
    const it = bed();
    expect((await it.ask("/v1/runs", { body: { code: "", profile: "x" }, headers: keyed })).status).toBe(404);
    await startAsync(it, "alice", keyed);
  });
});

describe("a user's runs", () => {
  it("are listed by pages, the newest first, and nobody else's", async () => {
    const it = bed();
    const ids: string[] = [];
    for (const _ of [1, 2, 3]) ids.unshift((await startAsync(it)).run.runId);
    await startAsync(it, "bob");
    await it.runs.begun[0]?.end({ ok: false, status: "failed", error: { code: "program_error", message: "" } });
    const first = await jsonOf(await it.ask("/v1/runs?limit=2"));
    expect(first.runs.map(({ runId }: { runId: string }) => runId)).toEqual(ids.slice(0, 2));
    const second = await jsonOf(await it.ask(`/v1/runs?limit=2&before=${first.next}`));
    expect(second).toMatchObject({ next: null, runs: [{ runId: ids[2], status: "failed", code: "program_error" }] });
    expect(second.runs).toHaveLength(1);
  });

  it.each([
    ["GET", "/v1/runs/ID"],
    ["POST", "/v1/runs/ID/cancel"],
    ["GET", "/v1/runs/ID/events"],
    ["GET", "/v1/runs/ID/files/a.txt"],
  ])("are not to be found by another one: %s %s", async (method, path) => {
    const it = bed();
    const { run } = await startAsync(it);
    const others = await problemIn(await it.ask(path.replace("ID", run.runId), { method, user: "bob" }));
    const none = await problemIn(await it.ask(path.replace("ID", NOBODYS), { method, user: "bob" }));
    expect(others).toEqual(none);
    expect(none).toMatchObject({ status: 404, code: "not_found" });
    expect(run.signal?.aborted).toBe(false);
    const own = await it.ask(path.replace("ID", run.runId), { method });
    // The run goes on still, and has no files yet.
    expect(own.status).toBe(path.includes("/files/") ? 409 : method === "POST" ? 202 : 200);
    await own.body?.cancel();
  });

  it.each([
    ["GET", "/v1/runs", "?limit=0", "limit"],
    ["GET", "/v1/runs", "?limit=many", "limit"],
    ["GET", "/v1/runs", "?before=x", "before"],
    ["GET", "/v1/runs", "?colour=red", "colour"],
    ["GET", "/v1/runs", "?user=alice", "user"],
    ["GET", "/v1/runs/nonsense", "", "runId"],
    ["POST", "/v1/runs/..%2F..%2Fx/cancel", "", "runId"],
    ["GET", "/v1/runs/1/events", "", "runId"],
  ])("are asked for in vain by %s %s%s", async (method, path, query, field) => {
    const response = await bed().ask(path + query, { method });
    expect(await problemIn(response)).toMatchObject({ status: 400, code: "invalid_request", field });
  });

  it("are found after they were forgotten, or a process ago, by their results", async () => {
    const it = bed({ bounds: { finished: 1 } });
    const { run } = await startAsync(it);
    await run.end();
    const next = await startAsync(it);
    await next.run.end();
    expect((await it.ask(`/v1/runs/${run.runId}`)).status).toBe(404);
    const result = await next.run.result;
    it.runs.earlier.set(`alice ${run.runId}`, { ...result, runId: run.runId });
    expect(await jsonOf(await it.ask(`/v1/runs/${run.runId}`))).toMatchObject({ runId: run.runId });
    expect((await it.ask(`/v1/runs/${run.runId}`, { user: "bob" })).status).toBe(404);
  });

  it("are forgotten by what they cost too, but for the newest", async () => {
    const it = bed({ bounds: { finishedBytes: 10_000 } });
    const big = { diagnostics: { ...DIAGNOSTICS, tree: "x".repeat(20_000) } };
    for (const _ of [1, 2]) await (await startAsync(it)).run.end(big);
    const { runs } = await jsonOf(await it.ask("/v1/runs"));
    expect(runs).toMatchObject([{ runId: it.runs.last.runId }]);
  });
});

const DIAGNOSTICS = { tree: "", userLog: "", infraLog: "", errorLines: [], tracebacks: [], hasError: false };

describe("POST /v1/runs/:id/cancel", () => {
  it("asks the run to end, and answers with the result of one that has", async () => {
    const it = bed();
    const { run } = await startAsync(it);
    const first = await it.ask(`/v1/runs/${run.runId}/cancel`, { method: "POST" });
    expect(first.status).toBe(202);
    expect(run.signal?.aborted).toBe(true);
    await run.result;
    const second = await it.ask(`/v1/runs/${run.runId}/cancel`, { method: "POST" });
    expect(second.status).toBe(200);
    expect(await jsonOf(second)).toMatchObject({ status: "cancelled" });
  });
});

describe("a path", () => {
  it("that there is not is a problem, and a method it has not names those it has", async () => {
    const { ask } = bed();
    expect(await problemIn(await ask("/v2"))).toMatchObject({ status: 404, code: "not_found" });
    const response = await ask("/v1/runs", { method: "DELETE" });
    expect(response.headers.get("Allow")).toBe("POST, GET");
    expect(await problemIn(response)).toMatchObject({ status: 405, code: "method_not_allowed" });
  });
});
