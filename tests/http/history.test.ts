// The routes of the history, over what is on disk: lists, requests, events and usage, before and after a restart.
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { blankResult } from "../../src/harness/result.js";
import { ALIVE, openHistory } from "../support/history.js";
import { eventsOf } from "../support/service.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf, problemIn } from "./bed.js";

type Bed = ReturnType<typeof bed>;

interface Wanted {
  user?: string;
  headers?: Record<string, string>;
  env?: Record<string, string>;
  stdin?: string;
}

async function start(service: Bed, code: string, { user = "alice", headers = {}, ...more }: Wanted = {}) {
  const response = await service.ask("/v1/runs", { user, body: { code, ...more }, headers: { ...ASYNC, ...headers } });
  expect(response.status).toBe(202);
  return service.runs.last;
}

const idsIn = (list: { runs: { runId: string }[] }) => list.runs.map(({ runId }) => runId);
const listOf = async (service: Bed, query = "") => jsonOf(await service.ask(`/v1/runs?limit=50${query}`));
const output = (text: string) => ({
  output: { stdout: { text, bytes: text.length, truncated: false }, stderr: { text: "", bytes: 0, truncated: false } },
});

/** The service, its process gone, and another one over the same folder. */
async function restarted(dir: string, options: Parameters<typeof openHistory>[1] = {}): Promise<Bed> {
  return bed({ history: await openHistory(dir, { id: "fedcba9876543210", ...options }) });
}

describe("runs of before a restart", () => {
  it("are listed by pages, newest first, with those under way and nobody else's", async () => {
    const dir = tempDir();
    const history = await openHistory(dir);
    const before = bed({ history });
    for (const code of ["1", "2", "3"]) await (await start(before, code)).end();
    await (await start(before, "bob's", { user: "bob" })).end();
    const ids = before.runs.begun.filter(({ userId }) => userId === "alice").map(({ runId }) => runId);
    await history.close();

    const after = await restarted(dir);
    const live = await start(after, "4");
    ids.push(live.runId);
    const first = await jsonOf(await after.ask("/v1/runs?limit=3"));
    expect(first.runs).toMatchObject([{ status: "queued" }, { status: "succeeded", totalMs: null }, {}]);
    const second = await jsonOf(await after.ask(`/v1/runs?limit=3&before=${first.next}`));
    expect(second.next).toBe(null);
    expect([...idsIn(first), ...idsIn(second)]).toEqual(ids.reverse());
    expect(await listOf(after, "&status=queued,running")).toMatchObject({ runs: [{ runId: live.runId }], next: null });
  });

  it("are found by status, by words, by signs and by time", async () => {
    const dir = tempDir();
    const service = bed({ history: await openHistory(dir) });
    const plot = await start(service, "import plotting\nplotting.draw('100%_done')");
    await plot.end({ ...output("drew a Größe\n") });
    const crash = await start(service, "1 / 0 # =%=");
    const error = { code: "program_error" as const, message: "ZeroDivisionError: division" };
    await crash.end({ ok: false, status: "failed", error });
    const found = async (query: string) => idsIn(await listOf(service, query));
    expect(await found("&status=failed")).toEqual([crash.runId]);
    expect(await found("&status=failed,succeeded")).toHaveLength(2);
    expect(await found("&text=plotting.dr")).toEqual([plot.runId]);
    expect(await found("&text=gr%C3%B6%C3%9Fe")).toEqual([plot.runId]);
    expect(await found("&text=division%20zerodiv")).toEqual([crash.runId]);
    expect(await found("&text=%22%20OR%20NOT%20x*")).toEqual([]);
    expect(await found("&text=%3D%25%3D")).toEqual([crash.runId]);
    expect(await found("&text=%25")).toHaveLength(2);
    expect(await found("&text=%22")).toEqual([]);
    expect(await found("&text=Gro%CC%88%C3%9Fe")).toEqual([plot.runId]);
    for (const text of ["%01", "%F0%9F%92%A9", "NEAR(a)", "-", "*", "%5C"])
      expect(await found(`&text=${text}`)).toEqual([]);
    expect(await found("&since=2000-01-01T00:00:00Z&until=2100-01-01T01:00:00%2B01:00")).toHaveLength(2);
    expect(await found("&since=2100-01-01T00:00:00Z")).toEqual([]);
    for (const query of ["status=mad", "status=", "text=", "text=a%00b", "since=yesterday", "until=2031-01-31"]) {
      expect(await problemIn(await service.ask(`/v1/runs?${query}`))).toMatchObject({
        status: 400,
        code: "invalid_request",
      });
    }
  });

  it("have their result, events and request, without secrets; other users find none of them", async () => {
    const dir = tempDir();
    const history = await openHistory(dir);
    const before = bed({ history });
    const env = { API_TOKEN: "letmein-please", HOME_PAGE: "x" };
    const run = await start(before, "print('letmein-please')", { env, stdin: "y".repeat(70_000) });
    run.events.emit({ type: "run.started", backend: "b", profile: "p", warm: true });
    run.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from("ä\n") });
    await run.end({ ...output("ä\n") });
    const live: unknown[] = [];
    for await (const event of eventsOf(await before.ask(`/v1/runs/${run.runId}/events`))) live.push(event);
    await history.close();

    const after = await restarted(dir);
    const at = `/v1/runs/${run.runId}`;
    expect(await jsonOf(await after.ask(at))).toMatchObject({
      status: "succeeded",
      output: { stdout: { text: "ä\n" } },
    });
    const past: unknown[] = [];
    for await (const event of eventsOf(await after.ask(`${at}/events`))) past.push(event);
    expect(past).toEqual(live);
    expect(past.at(-1)).toMatchObject({ type: "run.finished", result: { status: "succeeded" } });
    const rest: unknown[] = [];
    const headers = { "Last-Event-ID": "1" };
    for await (const event of eventsOf(await after.ask(`${at}/events`, { headers }))) rest.push(event);
    expect(rest).toEqual(live.slice(1));
    expect((await after.ask(`${at}/events`, { headers: { "Last-Event-ID": "3" } })).status).toBe(204);
    expect((await after.ask(`${at}/cancel`, { method: "POST" })).status).toBe(200);
    const asked = await jsonOf(await after.ask(`${at}/request`));
    expect(asked).toMatchObject({
      request: { code: "print('[redacted]')", env: { API_TOKEN: "[redacted]", HOME_PAGE: "x" } },
      cut: ["stdin"],
    });
    for (const path of [at, `${at}/events`, `${at}/request`]) {
      expect(await problemIn(await after.ask(path, { user: "bob" })), path).toMatchObject({ status: 404 });
    }
    const kept = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const entry of kept) {
      expect(readFileSync(join(entry.parentPath, entry.name), "latin1"), entry.name).not.toContain("letmein");
    }
  });

  it("that died with their process are interrupted in the list, in themselves and in their events", async () => {
    const dir = tempDir();
    const before = bed({ history: await openHistory(dir) });
    const run = await start(before, "while True: pass");
    await listOf(before);

    const after = await restarted(dir);
    const at = `/v1/runs/${run.runId}`;
    expect(await listOf(after)).toMatchObject({ runs: [{ runId: run.runId, status: "failed", code: "interrupted" }] });
    expect(await jsonOf(await after.ask(at))).toMatchObject({ status: "failed", error: { code: "interrupted" } });
    for (const [seen, types] of [
      ["0", ["run.accepted", "run.finished"]],
      ["17", ["run.finished"]],
    ] as const) {
      const response = await after.ask(`${at}/events`, { headers: { "Last-Event-ID": seen } });
      const text = await response.text();
      const events = [...text.matchAll(/^data: (.+)$/gm)].map(([, data = ""]) => JSON.parse(data));
      expect(events.map(({ type }) => type)).toEqual(types);
      expect(events.map(({ seq }) => seq)).toEqual(types.map((_, index) => Number(seen) + 1 + index));
      const id = [...text.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1] ?? "";
      expect((await after.ask(`${at}/events`, { headers: { "Last-Event-ID": id } })).status).toBe(204);
    }
  });

  it("that died after a while have what they said until then, and a reader misses none of it", async () => {
    const dir = tempDir();
    const before = bed({ history: await openHistory(dir) });
    const run = await start(before, "while True: pass");
    const say = (text: string) => run.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(text) });
    run.events.emit({ type: "run.started", backend: "b", profile: "p", warm: true });
    say("one\n");
    const part = () => readdirSync(dir, { recursive: true }).find((name) => String(name).endsWith(".events.part"));
    await expect.poll(part, { timeout: 3000 }).toBeDefined();
    say("two\n");
    const told = () => readFileSync(join(dir, String(part())), "utf8");
    await expect.poll(told, { timeout: 3000 }).toContain("two");
    appendFileSync(join(dir, String(part())), '{"seq":4,"type":"out');
    const after = await restarted(dir);
    const seen = async (from: number) => {
      const events = [];
      const headers = { "Last-Event-ID": String(from) };
      const response = await after.ask(`/v1/runs/${run.runId}/events`, { headers });
      for await (const event of eventsOf(response)) events.push([event.seq, event.text ?? event.type]);
      return events;
    };
    expect(await seen(0)).toEqual([
      [1, "run.started"],
      [2, "one\n"],
      [3, "two\n"],
      [4, "run.finished"],
    ]);
    expect(await seen(2)).toEqual([
      [3, "two\n"],
      [4, "run.finished"],
    ]);
    expect(await seen(9)).toEqual([[10, "run.finished"]]);
    await run.end();
    await listOf(before);
    expect(part()).toBeUndefined();
  });

  it("of a process that lives are under way, and no one else's to end", async () => {
    const dir = tempDir();
    const other = bed({ history: await openHistory(dir, { id: ALIVE }) });
    const run = await start(other, "1");
    await listOf(other);
    const alive = [ALIVE];
    const here = await restarted(dir, { alive });
    expect(await listOf(here)).toMatchObject({ runs: [{ runId: run.runId, status: "running" }] });
    const at = `/v1/runs/${run.runId}`;
    expect(await jsonOf(await here.ask(at))).toMatchObject({ runId: run.runId, status: "running" });
    for (const [method, path] of [
      ["POST", "/cancel"],
      ["GET", "/events"],
      ["GET", "/files/a"],
    ] as const) {
      expect(await problemIn(await here.ask(at + path, { method })), path).toMatchObject({
        status: 409,
        code: "conflict",
      });
      expect(await problemIn(await here.ask(at + path, { method, user: "bob" })), path).toMatchObject({ status: 404 });
    }
    expect(run.events.closed).toBe(false);
    await run.end();
    await listOf(other);
    expect(await listOf(here)).toMatchObject({ runs: [{ runId: run.runId, status: "succeeded" }] });
    const next = await start(other, "2");
    await listOf(other);
    alive.pop();
    expect((await listOf(here)).runs[0]).toMatchObject({ runId: next.runId, status: "failed", code: "interrupted" });
  });

  it.each([
    ["lost", (file: string) => rmSync(file)],
    ["damaged", (file: string) => writeFileSync(file, "no database at all ".repeat(1000))],
  ])("are all there when the index was %s", async (_, spoil) => {
    const dir = tempDir();
    const history = await openHistory(dir);
    const before = bed({ history });
    for (const code of ["first", "second"]) await (await start(before, code)).end();
    const whole = await listOf(before);
    await history.close();
    spoil(join(dir, "history.db"));
    const after = await restarted(dir);
    expect(await listOf(after)).toEqual(whole);
    expect(idsIn(await listOf(after, "&text=first"))).toHaveLength(1);
  });
});

describe("an Idempotency-Key", () => {
  const headers = { "Idempotency-Key": "order-7" };

  it("is the same run after a restart, each user's own, and refused with another request", async () => {
    const dir = tempDir();
    const history = await openHistory(dir);
    const before = bed({ history });
    const run = await start(before, "1", { headers });
    await run.end();
    await history.close();
    const after = await restarted(dir);
    const again = await after.ask("/v1/runs", { body: { code: "1" }, headers: { ...headers, ...ASYNC } });
    expect(again.status).toBe(200);
    expect(await jsonOf(again)).toMatchObject({ runId: run.runId, status: "succeeded" });
    const other = await after.ask("/v1/runs", { body: { code: "2" }, headers });
    expect(await problemIn(other)).toMatchObject({ status: 409, code: "conflict" });
    expect(after.runs.begun).toHaveLength(0);
    await start(after, "2", { user: "bob", headers });
  });

  it("gives the interrupted run of a process that died, and waits for one that lives", async () => {
    const dir = tempDir();
    const dead = bed({ history: await openHistory(dir, { id: "00000000000000dd" }) });
    const lost = await start(dead, "1", { headers });
    const after = await restarted(dir);
    const again = await after.ask("/v1/runs", { body: { code: "1" }, headers });
    expect(await jsonOf(again)).toMatchObject({ runId: lost.runId, error: { code: "interrupted" } });

    const other = bed({ history: await openHistory(dir, { id: ALIVE }) });
    const run = await start(other, "3", { headers: { "Idempotency-Key": "b" } });
    const here = await restarted(dir, { id: "00000000000000bb", alive: [ALIVE] });
    const waiting = here.ask("/v1/runs", { body: { code: "3" }, headers: { "Idempotency-Key": "b" } });
    await run.end();
    await listOf(other);
    expect(await jsonOf(await waiting)).toMatchObject({ runId: run.runId, status: "succeeded" });
  });

  it("lets who waits for a run of another process ask again where this service stops", async () => {
    const dir = tempDir();
    const other = bed({ history: await openHistory(dir, { id: ALIVE }) });
    await start(other, "3", { headers });
    const history = await openHistory(dir, { id: "00000000000000bb", alive: [ALIVE] });
    const waiting = bed({ history }).ask("/v1/runs", { body: { code: "3" }, headers });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await history.stop();
    const response = await waiting;
    expect(response.headers.get("Retry-After")).toBe("5");
    expect(await problemIn(response)).toMatchObject({ status: 503, code: "shutting_down" });
  });

  it("is free again where the request was refused", async () => {
    const dir = tempDir();
    const service = bed({ history: await openHistory(dir) });
    expect((await service.ask("/v1/runs", { body: { code: "", profile: "x" }, headers })).status).toBe(404);
    await start(service, "1", { headers });
    expect(service.runs.begun).toHaveLength(1);
  });
});

describe("usage", () => {
  const used = {
    timings: { queueMs: 0, bootstrapMs: 0, acquireMs: 0, runMs: 1500, judgeMs: 0, syncMs: 0, totalMs: 2000 },
    usage: { cpuMs: 250, maxRssBytes: null, outputBytes: 10, processes: 1 },
    changes: { ...blankResult({}).changes, created: [{ path: "a", bytes: 7 }] },
  };

  it("is summed by day and ending, and stays when runs go", async () => {
    const dir = tempDir();
    const history = await openHistory(dir, { keep: { runs: 1 } });
    const service = bed({ history });
    for (const _ of [1, 2]) await (await start(service, "1")).end(used);
    await (await start(service, "1")).end({ ok: false, status: "failed" });
    const before = await jsonOf(await service.ask("/v1/usage"));
    expect(before.total).toEqual({
      ...{ runs: 3, byStatus: { succeeded: 2, failed: 1 }, seconds: 3, cpuSeconds: 0.5, cpuRuns: 2 },
      ...{ outputBytes: 20, fileBytes: 14 },
    });
    expect(before.days).toEqual([{ day: new Date().toISOString().slice(0, 10), ...before.total }]);
    expect(before.storedBytes).toBeGreaterThan(1000);
    expect(await history.cleanUp()).toBe(2);
    const after = await jsonOf(await service.ask("/v1/usage"));
    expect(after).toMatchObject({ total: before.total, days: before.days });
    expect(after.storedBytes).toBeLessThan(before.storedBytes);
    expect((await listOf(service)).runs).toHaveLength(1);
    expect(await jsonOf(await service.ask("/v1/usage", { user: "bob" }))).toMatchObject({
      total: { runs: 0 },
      days: [],
    });
    expect(await jsonOf(await service.ask("/v1/usage?until=2000-01-01"))).toMatchObject({ total: { runs: 0 } });
    expect((await service.ask("/v1/usage?since=today")).status).toBe(400);
  });
});
