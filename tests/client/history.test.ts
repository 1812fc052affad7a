// The client over what outlives a process: runs of before, runs of another process, and what is known of them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ApiKeys } from "../../src/records/api-keys.js";
import { bed } from "../http/bed.js";
import { ALIVE, openHistory } from "../support/history.js";
import { tempDir } from "../support/temp.js";
import { type Bed, client, cut } from "./bed.js";

const kept = async (dir = tempDir(), options: Parameters<typeof openHistory>[1] = {}) =>
  bed({ history: await openHistory(dir, options) });

async function idsOf(runs: AsyncIterable<{ runId: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const { runId } of runs) found.push(runId);
  return found;
}

async function ended(server: Bed, code: string, result: object = {}): Promise<string> {
  const { runId } = await client(server).runs.start({ code });
  await server.runs.last.end(result);
  return runId;
}

describe("a key of one user", () => {
  it("needs no user, and is nobody else's", async () => {
    const keys = new ApiKeys(tempDir());
    const server = bed({ keys, history: await openHistory(tempDir()) });
    const { key } = keys.create({ user: "bob", readOnly: false, label: "", expiresAt: null });
    const { runs, usage, workspace } = client(server, { token: key, user: null });
    const taken = await runs.start({ code: "1" });
    expect(taken.userId).toBe("bob");
    expect(await runs.get(taken.runId)).toMatchObject({ status: "queued" });
    await server.runs.last.end();
    expect(await runs.wait(taken.runId)).toMatchObject({ userId: "bob" });
    expect(await idsOf(runs.list())).toEqual([taken.runId]);
    expect(await usage()).toMatchObject({ userId: "bob", total: { runs: 1 } });
    expect(await runs.request(taken.runId)).toMatchObject({ userId: "bob", request: { code: "1" } });
    const forbidden = { name: "ProblemError", status: 403, code: "forbidden" };
    await expect(runs.get(taken.runId, { user: "alice" })).rejects.toMatchObject({ ...forbidden, field: "user" });
    await expect(runs.start({ code: "", userId: "alice" })).rejects.toMatchObject({ ...forbidden, field: "userId" });
    await expect(workspace.put("a", "", { user: "alice" })).rejects.toMatchObject(forbidden);
    await expect(client(server, { user: null }).runs.start({ code: "" })).rejects.toMatchObject({ field: "userId" });
    await expect(client(server, { user: null }).usage()).rejects.toMatchObject({ status: 400, field: "user" });
  });
});

describe("runs that are kept", () => {
  it("are found by status, words and time, over pages", async () => {
    const server = await kept();
    const good = [await ended(server, "draw(1)"), await ended(server, "draw(2)"), await ended(server, "draw(3)")];
    const error = { code: "timeout" as const, message: "too long" };
    const late = await ended(server, "draw(4)", { ok: false, status: "timed_out", error });
    const failed = await ended(server, "paint()", { ok: false, status: "failed" });
    const { runs, sent } = client(server);
    const found = async (options: Parameters<typeof runs.list>[0]) => (await idsOf(runs.list(options))).reverse();
    expect(await found({ status: "succeeded", pageSize: 1 })).toEqual(good);
    // A page more than there are runs would be one too many.
    expect(sent).toHaveLength(3);
    expect(await found({ status: ["timed_out", "failed"] })).toEqual([late, failed]);
    expect(await found({ text: "draw", pageSize: 3 })).toEqual([...good, late]);
    expect(await found({ text: "draw", status: "timed_out", since: new Date(0) })).toEqual([late]);
    expect(await found({ until: new Date(0) })).toEqual([]);
    expect(await found({ since: "2000-01-01T00:00:00+02:00", before: good[2] })).toEqual(good.slice(0, 2));
    await expect(found({ since: "yesterday" })).rejects.toMatchObject({ code: "invalid_request", field: "since" });
  });

  it("tell what was asked for without its secrets, and what they used", async () => {
    const server = await kept();
    const { runs, usage } = client(server);
    const { runId } = await runs.start({ code: "print(1)", env: { API_TOKEN: "sesame-sesame", PLAIN: "p" } });
    await server.runs.last.end();
    const { request, cut: left } = await runs.request(runId);
    expect([request, left]).toEqual([{ code: "print(1)", env: { API_TOKEN: "[redacted]", PLAIN: "p" } }, []]);
    await expect(runs.request(runId, { user: "bob" })).rejects.toMatchObject({ status: 404 });
    const today = new Date().toISOString().slice(0, 10);
    expect(await usage({ since: today })).toMatchObject({ since: today, days: [{ day: today, runs: 1 }] });
    expect((await usage({ until: "2000-01-01" })).total.runs).toBe(0);
    expect((await usage({ user: "bob" })).total.runs).toBe(0);
  });
});

/** A run of a process that died when it had told so many events. */
async function brokenOff(count: number) {
  const dir = tempDir();
  const before = await kept(dir, { id: "00000000000000dd" });
  const { runId } = await client(before).runs.start({ code: "1" });
  const { events } = before.runs.last;
  for (let at = 1; at <= count; at += 1)
    events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(`${at}\n`) });
  const told = () => {
    const part = readdirSync(dir, { recursive: true }).find((name) => String(name).endsWith(".events.part"));
    return part === undefined ? "" : readFileSync(join(dir, String(part)), "utf8");
  };
  await expect.poll(told, { timeout: 5000 }).toContain(`${count}\\n`);
  return { runId, after: await kept(dir) };
}

describe("a run whose process died", () => {
  it("is followed to its end from anywhere, over connections that are cut: each event once, without gap", async () => {
    const { runId, after } = await brokenOff(20);
    const seen = async (from: number, bytes = Number.POSITIVE_INFINITY) => {
      const { runs } = client(after, {
        through: (answer, count) => new Response(answer.body && cut(answer.body, bytes * count), answer),
      });
      const events: { seq: number; type: string; result?: { error: { code: string } | null } }[] = [];
      for await (const event of runs.events(runId, { after: from })) events.push(event);
      expect(events.at(-1)).toMatchObject({ type: "run.finished", result: { error: { code: "interrupted" } } });
      return events.map(({ seq }) => seq);
    };
    const whole = await seen(0);
    expect(whole).toHaveLength(21);
    expect(whole).toEqual(whole.map((_, at) => at + 1));
    expect(await seen(0, 400)).toEqual(whole);
    expect(await seen(7)).toEqual(whole.slice(7));
    // Whoever had read more than is known goes on from there.
    expect(await seen(500)).toEqual([501]);
    // A browser that saw the ending comes with its id, and is told that there is no more.
    const { runs, answered } = client(after);
    for await (const event of runs.events(runId, { after: 999_999_999_999_999 })) expect(event).toBeUndefined();
    expect(answered).toEqual([204]);
    expect(await runs.wait(runId)).toMatchObject({ status: "failed", error: { code: "interrupted" } });
  });
});

describe("a run that another process is at", () => {
  it("is looked at and waited for; the rest is that process's", async () => {
    const dir = tempDir();
    const other = await kept(dir, { id: ALIVE });
    const here = client(await kept(dir, { alive: [ALIVE] }));
    const { runId } = await client(other).runs.start({ code: "1" });
    expect(await here.runs.get(runId)).toMatchObject({ runId, status: "running" });
    const conflict = { name: "ProblemError", status: 409, code: "conflict", hint: expect.any(String) };
    await expect(here.runs.cancel(runId)).rejects.toMatchObject(conflict);
    await expect(here.runs.events(runId).next()).rejects.toMatchObject(conflict);
    await expect(here.runs.file(runId, "a")).rejects.toMatchObject(conflict);
    const stop = new AbortController();
    const left = here.runs.wait(runId, { signal: stop.signal });
    const waiting = here.runs.wait(runId);
    const looks = () => here.sent.filter(({ url }) => url.includes(`${runId}?`)).length;
    await expect.poll(looks).toBeGreaterThan(3);
    stop.abort(new Error("enough"));
    await expect(left).rejects.toThrow("enough");
    await other.runs.last.end();
    expect(await waiting).toMatchObject({ runId, ok: true });
    await expect(here.runs.wait(runId, { user: "bob" })).rejects.toMatchObject({ status: 404 });
  });
});
