// The client over the real routes: what it sends again and what it must not, and how it fails.
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from "vitest";
import { ConnectionError, ProblemError, type RunResult } from "../../src/client/index.js";
import { Admission, queueLimits } from "../../src/harness/admission.js";
import type { ShownResult } from "../../src/model/result-text.js";
import { bed, jsonOf } from "../http/bed.js";
import { type Bed, client, cut, type Meddle } from "./bed.js";

const oneAtATime = () => new Admission({ queue: queueLimits({ atOnce: 1, perUser: 1, queued: 0 }), rate: null });
const LOST = new TypeError("fetch failed");

describe("a run", () => {
  it("is started, looked at, cancelled and listed", async () => {
    const server = bed();
    const { runs } = client(server);
    const taken = await runs.start({ code: "print(1)", labels: { a: "b" } });
    expect(taken).toMatchObject({ status: "queued", userId: "alice" });
    expect(server.runs.last.request).toMatchObject({ code: "print(1)", userId: "alice", labels: { a: "b" } });
    expect(await runs.get(taken.runId)).toMatchObject({ status: "queued" });
    expect((await runs.cancel(taken.runId)).runId).toBe(taken.runId);
    expect(await runs.wait(taken.runId)).toMatchObject({ status: "cancelled" });
    for (let count = 0; count < 4; count += 1) await runs.start({ code: "" });
    const listed: string[] = [];
    for await (const { runId } of runs.list({ pageSize: 2 })) listed.push(runId);
    expect(listed).toEqual(server.runs.begun.map(({ runId }) => runId).reverse());
    for await (const run of runs.list({ user: "bob" })) expect(run).toBeUndefined();
  });

  it("has the result's own type", () => {
    // The compiler says it: `npm run check:types`.
    expectTypeOf<ShownResult>().toExtend<RunResult>();
    expectTypeOf<RunResult["status"]>().toEqualTypeOf<ShownResult["status"]>();
  });

  it("whose answer was lost is asked for again, and is one run", async () => {
    const server = bed();
    const { runs, sent } = client(server, { after: (_, count) => (count === 1 ? LOST : null) });
    const waiting = runs.create({ code: "print(1)" });
    await expect.poll(() => sent.length).toBe(2);
    await server.runs.last.end({ exitCode: 0 });
    expect(await waiting).toMatchObject({ ok: true });
    expect(server.runs.begun).toHaveLength(1);
    const [first, second] = sent.map(({ headers }) => headers.get("Idempotency-Key"));
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toBe(first);
  });

  it("that takes longer than connections last is waited for over as many as it takes", async () => {
    let clock = 0;
    const now = vi.spyOn(performance, "now").mockImplementation(() => clock);
    onTestFinished(() => now.mockRestore());
    const server = bed();
    const lose: Meddle = (_, count) => {
      clock += 31_000;
      return count < 4 ? LOST : null;
    };
    const { runs, sent } = client(server, { after: lose, retries: 1 });
    const waiting = runs.create({ code: "" });
    await expect.poll(() => sent.length, { timeout: 5000 }).toBe(4);
    await server.runs.last.end();
    expect(await waiting).toMatchObject({ ok: true });
    expect(server.runs.begun).toHaveLength(1);
    await expect(client(server, { after: lose, retries: 1 }).runs.get(server.runs.last.runId)).rejects.toBeInstanceOf(
      ConnectionError,
    );
  });

  it("has a key of its own each time, or the caller's", async () => {
    const server = bed();
    const { runs, sent } = client(server);
    await runs.start({ code: "" });
    await runs.start({ code: "" });
    await runs.start({ code: "" }, { idempotencyKey: "mine" });
    expect((await runs.start({ code: "" }, { idempotencyKey: "mine" })).runId).toBe(server.runs.last.runId);
    const keys = sent.map(({ headers }) => headers.get("Idempotency-Key"));
    expect(new Set(keys).size).toBe(3);
    expect(server.runs.begun).toHaveLength(3);
    await expect(runs.start({ code: "1" }, { idempotencyKey: "mine" })).rejects.toMatchObject({ code: "conflict" });
  });

  it("waits as long as the service says where that has too much to do", async () => {
    const server = bed({ admission: oneAtATime() });
    const { runs, answered } = client(server);
    await runs.start({ code: "" });
    const startedAt = performance.now();
    const second = runs.start({ code: "2" });
    await expect.poll(() => answered).toEqual([202, 429]);
    await server.runs.last.end();
    expect(await second).toMatchObject({ status: "queued" });
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    await expect(client(server, { retries: 0 }).runs.start({ code: "" })).rejects.toMatchObject({
      ...{ name: "ProblemError", status: 429, code: "too_busy", retryAfterMs: 1000, hint: expect.any(String) },
    });
  });

  it("is asked for again by a rate's own word, where that comes within a minute", async () => {
    const rated = (perMs: number) =>
      bed({ admission: new Admission({ queue: queueLimits({}), rate: { count: 1, perMs } }) });
    const { runs, answered, sent } = client(rated(900));
    await runs.start({ code: "1" });
    const startedAt = performance.now();
    expect(await runs.start({ code: "2" })).toMatchObject({ status: "queued" });
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expect(answered).toEqual([202, 429, 202]);
    expect(sent[2]?.headers.get("Idempotency-Key")).toBe(sent[1]?.headers.get("Idempotency-Key"));
    const slow = client(rated(3_600_000));
    await slow.runs.start({ code: "1" });
    const refused = await slow.runs.start({ code: "2" }).catch((error) => error);
    expect(refused).toMatchObject({ status: 429, code: "too_busy" });
    expect(refused.retryAfterMs).toBeGreaterThan(3_590_000);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(3_600_000);
    expect(slow.sent).toHaveLength(2);
  });

  it("is not asked for again where that would not help", async () => {
    const server = bed();
    const { runs, sent } = client(server);
    await expect(runs.create({ code: "", profile: "nope" })).rejects.toMatchObject({
      ...{ status: 404, code: "unknown_profile", field: "profile" },
    });
    const failing = runs.create({ code: "" }).catch((thrown) => thrown);
    await expect.poll(() => server.runs.begun.length).toBe(1);
    const error = { code: "sandbox_unavailable" as const, message: "no bwrap", hint: "install it" };
    await server.runs.last.end({ ok: false, status: "failed", sandbox: null, error });
    const { runId } = server.runs.last;
    expect(await failing).toMatchObject({
      status: 503,
      code: "sandbox_unavailable",
      runId,
      hint: "install it",
    });
    expect(sent).toHaveLength(2);
  });
});

describe("what changes a workspace", () => {
  it("is not sent again where its answer was lost, and is where nothing was done", async () => {
    const puts: string[] = [];
    const workspaces = {
      roots: [],
      put: async (_: unknown, path: string, body: AsyncIterable<Uint8Array>) => {
        let bytes = 0;
        for await (const chunk of body) bytes += chunk.length;
        puts.push(path);
        return { bytes, version: null };
      },
    };
    const server = bed({ runtime: { workspaces: workspaces as never } });
    const lossy = client(server, { after: () => LOST });
    await expect(lossy.workspace.put("a b/ü.txt", "four")).rejects.toBeInstanceOf(ConnectionError);
    expect(puts).toEqual(["a b/ü.txt"]);
    const busy = new Response("", { status: 503, headers: { "Retry-After": "0" } });
    const { workspace, sent } = client(server, { before: (_, count) => (count < 3 ? busy.clone() : null) });
    expect(await workspace.put("x", new Uint8Array(3))).toEqual({ path: "x", bytes: 3, version: null });
    expect(sent).toHaveLength(3);
    const stream = new Blob(["streamed"]).stream() as ReadableStream<Uint8Array>;
    await expect(client(server, { before: () => busy.clone() }).workspace.put("y", stream)).rejects.toMatchObject({
      ...{ code: "unknown_answer", status: 503, retryAfterMs: 0 },
    });
  });
});

describe("a failure", () => {
  it("is the service's problem with its parts", async () => {
    const { runs, scenarios } = client(bed(), { token: "wrong" });
    const error = await runs.get("no-id").catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ status: 401, code: "unauthorized", message: expect.stringContaining("token") });
    await expect(scenarios()).rejects.toMatchObject({ status: 401 });
  });

  it("of somebody in between is told as what it is", async () => {
    const page = new Response("<h1>Bad\n gateway</h1>", { status: 502 });
    await expect(client(bed(), { before: () => page.clone() }).tools()).rejects.toMatchObject({
      ...{
        code: "unknown_answer",
        status: 502,
        message: "The answer is 502 and no problem document: <h1>Bad gateway</h1>",
      },
    });
  });

  it("of the connection ends after as many tries as there may be", async () => {
    const { profiles, sent } = client(bed(), { before: () => LOST, retries: 2 });
    await expect(profiles()).rejects.toMatchObject({ name: "ConnectionError", cause: LOST });
    expect(sent).toHaveLength(3);
  });

  it("waits for no date that is an hour off, and reads one by the clock of who wrote it", async () => {
    const dated = (seconds: number) => {
      const at = Date.parse("2001-02-03T04:05:06Z");
      const [Date_, Retry] = [at, at + seconds * 1000].map((ms) => new Date(ms).toUTCString());
      return new Response("", { status: 429, headers: { Date: Date_ ?? "", "Retry-After": Retry ?? "" } });
    };
    await expect(client(bed(), { before: () => dated(3600) }).tools()).rejects.toMatchObject({
      retryAfterMs: 3_600_000,
    });
    await expect(client(bed(), { before: () => dated(2), retries: 0 }).tools()).rejects.toMatchObject({
      retryAfterMs: 2000,
    });
  });

  it("is the caller's own word where that gave up, at once", async () => {
    const server = bed({ admission: oneAtATime() });
    const { runs, sent } = client(server);
    await runs.start({ code: "" });
    const stop = new AbortController();
    const waiting = runs.start({ code: "2" }, { signal: stop.signal });
    await expect.poll(() => sent.length).toBe(2);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });
});

describe("events", () => {
  const said = async (server: Bed, count: number) => {
    for (let at = 0; at < count; at += 1) {
      server.runs.last.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(`${at}`) });
      await new Promise(setImmediate);
    }
  };

  it("come each once over connections that are cut at any byte", async () => {
    const server = bed();
    const made = client(server);
    const { runId } = await made.runs.start({ code: "" });
    await said(server, 30);
    await server.runs.last.end();
    const cutting = client(server, {
      through: (answer, count) => new Response(answer.body && cut(answer.body, 150 * count), answer),
    });
    const seen: { seq: number; type: string }[] = [];
    for await (const event of cutting.runs.events(runId)) seen.push(event);
    expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
    expect(seen.at(-1)).toMatchObject({ type: "run.finished", result: { ok: true } });
    expect(cutting.sent.length).toBeGreaterThan(4);
    const after: number[] = [];
    for await (const { seq } of made.runs.events(runId, { after: 29 })) after.push(seq);
    expect(after).toEqual([30, 31]);
    for await (const event of made.runs.events(runId, { after: 31 })) expect(event).toBeUndefined();
  });

  it("of a connection that gets nowhere end, and not for ever", async () => {
    const server = bed();
    const empty = () => new Response("retry: 10\n\n", { headers: { "Content-Type": "text/event-stream" } });
    const { runs, sent } = client(server, {
      retries: 2,
      before: (request) => (request.url.includes("/events") ? empty() : null),
    });
    const { runId } = await runs.start({ code: "" });
    await expect(runs.wait(runId)).rejects.toBeInstanceOf(ConnectionError);
    expect(sent).toHaveLength(1 + 3);
  });

  it("are nobody else's", async () => {
    const server = bed();
    const { runs } = client(server);
    const { runId } = await runs.start({ code: "" });
    await expect(runs.events(runId, { user: "bob" }).next()).rejects.toMatchObject({ code: "not_found" });
  });

  it("leave no reader behind when the loop is left", async () => {
    const server = bed();
    const { runs } = client(server);
    const { runId } = await runs.start({ code: "" });
    await said(server, 3);
    for await (const { seq } of runs.events(runId)) if (seq === 2) break;
    await expect.poll(() => server.streams.readers).toBe(0);
    const answer = await server.ask(`/v1/runs/${runId}`);
    expect(await jsonOf(answer)).toMatchObject({ status: "queued" });
  });
});
