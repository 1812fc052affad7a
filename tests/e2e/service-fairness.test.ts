// Many runs of one user and few of another, in real sandboxes: who waits for whom, what is refused, and that nothing taken is lost.
// Counted by the order of events, not by the clock: how fast this machine is says nothing.
import { describe, expect, it } from "vitest";
import { leftOver } from "../support/processes.js";
import { eventsOf, jsonOf, startService, type TestService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const ASYNC = { Prefer: "respond-async" };
const WORK = "import time\ntime.sleep(0.05)";

const post = ({ ask }: TestService, userId: string, code = WORK) =>
  ask("/v1/runs", { body: { userId, code, workspace: null }, headers: ASYNC });

async function begin(service: TestService, userId: string, code?: string): Promise<string> {
  const response = await post(service, userId, code);
  expect(response.status).toBe(202);
  return (await jsonOf(response)).runId;
}

/** When the run was taken and when its program began; waits for its end, which must be a good one. */
async function timesOf({ ask }: TestService, userId: string, runId: string) {
  const at: Record<string, string> = {};
  for await (const event of eventsOf(await ask(`/v1/runs/${runId}/events?user=${userId}`))) at[event.type] = event.at;
  const result = await jsonOf(await ask(`/v1/runs/${runId}?user=${userId}`));
  expect(result).toMatchObject({ runId, userId, ok: true, sandbox: { backend: expect.any(String) } });
  return { accepted: at["run.accepted"] ?? "", started: at["run.started"] ?? "", queueMs: result.timings.queueMs };
}

describe("a light user beside a heavy one", () => {
  it("passes by turns a line that was there before, and of what was taken nothing is lost", async () => {
    const service = await startService({ roots: tempDir() }, "--concurrency", "1", "--queue-per-user", "24");
    const heavy: string[] = [];
    const refused: Response[] = [];
    for (let asked = 0; asked < 32; asked += 1) {
      const response = await post(service, "heavy");
      if (response.status === 202) heavy.push((await jsonOf(response)).runId);
      else refused.push(response);
    }
    // One is at work, 24 wait; some may have ended meanwhile.
    expect(heavy.length).toBeGreaterThanOrEqual(25);
    expect(refused.length).toBeGreaterThan(0);
    for (const response of refused) {
      expect(response.status).toBe(429);
      expect(Number(response.headers.get("Retry-After"))).toBeGreaterThanOrEqual(1);
      expect(await jsonOf(response)).toMatchObject({ code: "too_busy" });
    }
    const light: Awaited<ReturnType<typeof timesOf>>[] = [];
    for (const _ of [1, 2, 3]) light.push(await timesOf(service, "light", await begin(service, "light")));
    const lines = await Promise.all(heavy.map((runId) => timesOf(service, "heavy", runId)));
    for (const { accepted, started } of light) {
      const passed = lines.filter((run) => run.started > accepted && run.started < started).length;
      // The one at work, whose program has not begun, and the one whose turn it was: no more, however many wait.
      expect(passed).toBeLessThanOrEqual(2);
    }
    // A user's own go in the order of asking, and what they waited is in their timings.
    const starts = lines.map(({ started }) => started);
    expect(starts).toEqual([...starts].sort());
    expect(lines.at(-1)?.queueMs).toBeGreaterThan(lines[0]?.queueMs ?? Number.POSITIVE_INFINITY);
    // As Retry-After says, there is room again.
    expect((await post(service, "heavy")).status).toBe(202);
    const metrics = await (await service.ask("/metrics")).text();
    expect(metrics).toContain(`iso_runtime_refused_runs_total{why="queue"} ${refused.length}\n`);
    expect(metrics).toContain('iso_runtime_places{state="all"} 1\n');
  });

  it("has a place at once where there are several: no user has all of them", async () => {
    const service = await startService({ roots: tempDir() }, "--concurrency", "4");
    const forever = "while True: pass";
    const heavy = await Promise.all([1, 2, 3, 4, 5].map(() => begin(service, "heavy", forever)));
    await timesOf(service, "light", await begin(service, "light"));
    const states = async () => {
      const { runs } = await jsonOf(await service.ask("/v1/runs?user=heavy"));
      return runs.map(({ status }: { status: string }) => status).sort();
    };
    await expect.poll(states).toEqual(["queued", "queued", "queued", "running", "running"]);
    for (const runId of heavy) await service.ask(`/v1/runs/${runId}/cancel?user=heavy`, { method: "POST" });
    await expect.poll(states).toEqual(["cancelled", "cancelled", "cancelled", "cancelled", "cancelled"]);
  });
});

describe("a user that asks more often than may be", () => {
  it("is told when to come again, and another one is not", async () => {
    const service = await startService({ roots: tempDir() }, "--rate", "3/h");
    for (const _ of [1, 2, 3]) await begin(service, "alice");
    const refused = await post(service, "alice");
    expect(refused.status).toBe(429);
    // Each comes anew in a third of an hour, the first one since it was used.
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(1000);
    expect(Number(refused.headers.get("Retry-After"))).toBeLessThanOrEqual(1200);
    await begin(service, "bob");
  });
});

describe("runs that wait when the service is told to stop", () => {
  it("have their turn still", async () => {
    const roots = tempDir();
    const service = await startService({ roots }, "--concurrency", "1", "--drain", "60");
    const runIds = await Promise.all([1, 2, 3, 4, 5].map(() => begin(service, "alice")));
    service.child.kill("SIGTERM");
    expect(await service.done).toMatchObject({ status: 0 });
    expect(await leftOver(`${roots}/sandbox`)).toEqual([]);
    const next = await startService({ roots });
    for (const runId of runIds) {
      expect(await jsonOf(await next.ask(`/v1/runs/${runId}?user=alice`))).toMatchObject({ runId, ok: true });
    }
  });

  it("are interrupted where it is killed, each of them, and none is run again unasked", async () => {
    const roots = tempDir();
    const service = await startService({ roots }, "--concurrency", "1");
    const runIds = [await begin(service, "alice", "while True: pass")];
    for (const user of ["alice", "alice", "bob", "carol"]) runIds.push(await begin(service, user));
    service.child.kill("SIGKILL");
    await service.done;
    const next = await startService({ roots });
    const users = ["alice", "alice", "alice", "bob", "carol"];
    for (const [at, runId] of runIds.entries()) {
      const found = await next.ask(`/v1/runs/${runId}?user=${users[at]}`);
      expect(await jsonOf(found)).toMatchObject({ runId, status: "failed", error: { code: "interrupted" } });
    }
    await timesOf(next, "alice", await begin(next, "alice"));
  });
});
