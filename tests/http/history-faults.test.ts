// Faults of the disk below the history: what it did not take is not lost while the service lives, and what is damaged costs nothing else.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { describe, expect, it } from "vitest";
import { EventStreams } from "../../src/http/events.js";
import type { RunEvent } from "../../src/model/events.js";
import { RESULT_SCHEMA } from "../../src/model/result.js";
import { hashName } from "../../src/records/run-ids.js";
import { openHistory } from "../support/history.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf } from "./bed.js";

type Bed = ReturnType<typeof bed>;

async function start(service: Bed, user = "alice") {
  expect((await service.ask("/v1/runs", { user, body: { code: "1" }, headers: ASYNC })).status).toBe(202);
  return service.runs.last;
}

const folderOf = (dir: string): string => {
  const [user] = readdirSync(join(dir, "runs"));
  return join(dir, "runs", user ?? "");
};

describe("a result that the disk did not take", () => {
  it.each(["something else could be written", "the service stops"])("is there as soon as %s", async (when) => {
    const dir = tempDir();
    const logged: string[] = [];
    const history = await openHistory(dir, { logged });
    const before = bed({ history });
    const run = await start(before);
    await jsonOf(await before.ask("/v1/runs"));
    const folder = folderOf(dir);
    renameSync(folder, `${folder}-gone`);
    writeFileSync(folder, "no folder");
    await run.end();
    // Nobody waits longer than for a few tries.
    await jsonOf(await before.ask("/v1/runs"));
    expect(logged).toEqual([expect.stringContaining("1 runs are not in the history")]);
    rmSync(folder);
    renameSync(`${folder}-gone`, folder);
    if (when === "the service stops") await history.close();
    else {
      await (await start(before, "bob")).end();
      await jsonOf(await before.ask("/v1/runs"));
      await jsonOf(await before.ask("/v1/runs"));
    }

    const after = bed({ history: await openHistory(dir, { id: "fedcba9876543210" }) });
    expect(await jsonOf(await after.ask(`/v1/runs/${run.runId}`))).toMatchObject({ status: "succeeded" });
    expect(await jsonOf(await after.ask("/v1/runs"))).toMatchObject({ runs: [{ status: "succeeded" }] });
  });
});

describe("a run whose caller waits for it", () => {
  const post = (service: Bed, headers = {}) => service.ask("/v1/runs", { user: "alice", body: { code: "1" }, headers });
  const requestsIn = (dir: string): string[] =>
    readdirSync(folderOf(dir))
      .filter((name) => name.endsWith(".request.json"))
      .map((name) => JSON.parse(readFileSync(join(folderOf(dir), name), "utf8")).runId);
  /** Until its handler has taken the run, in the same turn of the event loop. */
  const taken = async (service: Bed, count = 1) => {
    while (service.runs.begun.length < count) await Promise.resolve();
    return service.runs.last;
  };

  it("is on disk as soon as it is looked for, and in the next turn at the latest", async () => {
    const dir = tempDir();
    const service = bed({ history: await openHistory(dir) });
    const waiting = post(service);
    const run = await taken(service);
    expect(existsSync(join(dir, "runs")) ? readdirSync(join(dir, "runs")) : []).toEqual([]);
    service.registry.find("alice", run.runId);
    expect(requestsIn(dir)).toEqual([run.runId]);
    await run.end();
    expect((await waiting).status).toBe(200);

    const next = post(service);
    await taken(service, 2);
    await new Promise(setImmediate);
    expect(requestsIn(dir)).toContain(service.runs.last.runId);
    await service.runs.last.end();
    expect((await next).status).toBe(200);
  });

  it("with a key is on disk when it is taken", async () => {
    const dir = tempDir();
    const service = bed({ history: await openHistory(dir) });
    const waiting = post(service, { "Idempotency-Key": "one" });
    const run = await taken(service);
    expect(requestsIn(dir)).toEqual([run.runId]);
    await run.end();
    await waiting;
  });

  it("ends and says why, where it cannot be written down; what it did is told", async () => {
    const dir = tempDir();
    const service = bed({ history: await openHistory(dir) });
    writeFileSync(join(dir, "runs"), "no folder");
    const synced = { synced: true, durability: "process", version: null } as const;
    const waiting = post(service);
    const run = await taken(service);
    await new Promise(setImmediate);
    expect(run.signal?.aborted).toBe(true);
    await run.end({ workspace: synced });
    const answer = await waiting;
    expect(answer.status).toBe(500);
    expect(await jsonOf(answer)).toMatchObject({ code: "internal", runId: run.runId });
    expect(service.registry.find("alice", run.runId)?.result).toMatchObject({ ok: false, status: "failed" });
    // Nor is its end, which would be found without what was asked for.
    rmSync(join(dir, "runs"));
    run.keep?.();
    expect(existsSync(join(dir, "runs"))).toBe(false);
  });
});

describe("events of which the disk lost a part", () => {
  it("are those that are whole, and the ending; their readers leave no place taken", async () => {
    const dir = tempDir();
    const history = await openHistory(dir);
    const before = bed({ history });
    const run = await start(before);
    for (const text of ["one", "two", "three"]) {
      run.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(text) });
    }
    await run.end();
    await history.close();
    const file = join(folderOf(dir), readdirSync(folderOf(dir)).find((name) => name.endsWith(".events.ndjson")) ?? "");
    const lines = readFileSync(file, "utf8").split("\n");
    expect(lines).toHaveLength(6);
    const after = bed({ history: await openHistory(dir, { id: "fedcba9876543210" }) });
    const seqs = async () => {
      const text = await (await after.ask(`/v1/runs/${run.runId}/events`)).text();
      return [...text.matchAll(/^id: (\d+)\nevent: (.+)$/gm)].map(([, id, type]) => `${id} ${type}`);
    };
    const end = "4 run.finished";
    for (const [damaged, expected] of [
      [lines.with(2, "\0".repeat(40)), ["1 output", "3 output", end]],
      [lines.with(2, "null").with(3, '{"gap":true,"seq":"x"}'), ["1 output", end]],
      [
        [...lines.slice(0, 3), ""],
        ["1 output", "2 output", end],
      ],
      [
        [...lines.slice(0, 2), lines[2]?.slice(0, 20) ?? ""],
        ["1 output", end],
      ],
    ] as const) {
      writeFileSync(file, damaged.join("\n"));
      expect(await seqs()).toEqual(expected);
    }
    rmSync(file);
    // No file: the beginning and the ending, as of a run that broke off.
    expect(await seqs()).toEqual([expect.stringMatching(/ run\.accepted$/), expect.stringMatching(/ run\.finished$/)]);
    expect(after.streams.readers).toBe(0);
  });

  it("that cannot be read at all break off, and leave no place taken", async () => {
    const streams = new EventStreams();
    const next = () => Promise.reject(new Error("the disk gives nothing"));
    const source = { events: (): AsyncIterator<RunEvent, undefined> => ({ next }) };
    for (let readers = 0; readers < 300; readers += 1) {
      const body = new Response(streams.open({ user: "alice", runId: "r" }, source, 0)).text();
      await expect(body).rejects.toThrow("the disk gives nothing");
    }
    expect(streams.readers).toBe(0);
  });
});

describe("files of runs that cannot be used", () => {
  it("keep no service from its start, nor other runs from the list", async () => {
    const dir = tempDir();
    const logged: string[] = [];
    const history = await openHistory(dir);
    const before = bed({ history });
    const ids: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      const run = await start(before);
      await run.end();
      ids.push(run.runId);
    }
    await history.close();
    const folder = folderOf(dir);
    const fileOf = (id: string | undefined, end: string) => join(folder, `${hashName(id ?? "")}${end}`);
    writeFileSync(fileOf(ids[0], ".request.json"), JSON.stringify({ schema: "iso-runtime/run-request@1" }));
    rmSync(fileOf(ids[1], ".request.json"));
    mkdirSync(fileOf(ids[1], ".request.json"));
    writeFileSync(fileOf(ids[2], ".json"), JSON.stringify({ schema: RESULT_SCHEMA, status: "failed" }));
    rmSync(join(dir, "history.db"));

    const after = bed({ history: await openHistory(dir, { id: "fedcba9876543210", logged }) });
    const { runs } = await jsonOf(await after.ask("/v1/runs"));
    expect(runs.map(({ runId }: { runId: string }) => runId)).toEqual([ids[3]]);
    expect(logged).toEqual([expect.stringContaining("2 runs are not in the history's index")]);
  });
});

/** As a disk does it: what the process has of the file in memory is old too. */
function smash(dir: string, name: string): void {
  const path = join(dir, name);
  const db = new Sqlite(path);
  db.exec("PRAGMA user_version = 1");
  db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
  db.close();
  writeFileSync(path, Buffer.alloc(readFileSync(path).length, "Z"), { flag: "r+" });
}

describe("a damaged database", () => {
  it("is made anew while the service runs, and again when that failed", async () => {
    const dir = join(tempDir(), "state");
    mkdirSync(dir);
    const logged: string[] = [];
    const service = bed({ history: await openHistory(dir, { logged }) });
    await (await start(service)).end();
    const listed = async () => (await jsonOf(await service.ask("/v1/runs"))).runs?.length;
    expect(await listed()).toBe(1);
    smash(dir, "history.db");
    // Not the empty list that it is in between.
    expect(await listed()).toBe(1);
    smash(dir, "history.db");
    renameSync(dir, `${dir}-gone`);
    await listed();
    await expect.poll(() => logged).toContainEqual(expect.stringContaining("cannot be made anew"));
    await listed();
    renameSync(`${dir}-gone`, dir);
    await expect.poll(listed).toBe(1);
    await (await start(service)).end();
    await expect.poll(listed).toBe(2);
  });

  it("of what was used by runs that are kept no more counts anew, and keeps nothing else from its work", async () => {
    const dir = tempDir();
    const logged: string[] = [];
    const history = await openHistory(dir, { logged, keep: { runs: 1 } });
    const service = bed({ history });
    for (let count = 0; count < 3; count += 1) await (await start(service)).end();
    expect(await history.cleanUp()).toBe(2);
    smash(dir, "usage.db");
    const used = async () => (await jsonOf(await service.ask("/v1/usage"))).total?.runs;
    await expect.poll(used).toBe(1);
    await (await start(service)).end();
    await expect.poll(() => history.cleanUp()).toBe(1);
    expect(await used()).toBe(2);
    expect(logged).toContainEqual(expect.stringContaining("what users used with runs that are kept no more is lost"));
  });
});
