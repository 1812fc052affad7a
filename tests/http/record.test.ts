// What the operator is told of requests and runs, and what nobody is told.
import { describe, expect, it } from "vitest";
import { ApiKeys } from "../../src/records/api-keys.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, problemIn } from "./bed.js";

const SECRET = "secret-value";

describe("a request", () => {
  it("is told once, by its route, its user and its run, however it ended", async () => {
    const { ask, told, runs } = bed();
    await ask("/v1/runs", { user: "", body: { userId: "alice", code: SECRET }, headers: ASYNC });
    const { runId } = runs.last;
    await ask(`/v1/runs/${runId}`);
    await ask(`/v1/runs/${runId}/files/${SECRET}?workspace=${SECRET}`, { user: "bob" });
    await ask("/v1/nothing");
    await ask("/v1/runs", { method: "DELETE" });
    await ask("/v1/runs", { headers: { Authorization: SECRET } });
    await ask("/v1/runs", { body: "{", headers: { "Content-Type": "application/json" } });
    await ask("/healthz", { user: "" });
    const shown = told.map(({ level, event, fields: { method, route, status, user, runId: run, code } }) =>
      [level, event, method, route, status, user, run, code].map((word) => (word === runId ? "RUN" : word)),
    );
    const { length } = shown;
    expect(shown).toEqual([
      ["info", "request", "POST", "/v1/runs", 202, "alice", "RUN", undefined],
      ["info", "request", "GET", "/v1/runs/{runId}", 200, "alice", "RUN", undefined],
      ["info", "request", "GET", "/v1/runs/{runId}/files/{path}", 404, "bob", "RUN", "not_found"],
      ["info", "request", "GET", "(none)", 404, "alice", undefined, undefined],
      ["info", "request", "DELETE", "(none)", 405, "alice", undefined, undefined],
      ["info", "request", "GET", "/v1/runs", 401, "alice", undefined, "unauthorized"],
      ["info", "request", "POST", "/v1/runs", 400, "alice", undefined, "invalid_request"],
      ["debug", "request", "GET", "/healthz", 200, undefined, undefined, undefined],
    ]);
    expect(length).toBe(told.length);
    for (const { fields } of told) expect(fields.ms).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(told)).not.toContain(SECRET);
  });

  it("of a key is told with the key's id, and with its user where it named none or another's", async () => {
    const keys = new ApiKeys(tempDir());
    const { ask, told } = bed({ keys });
    const wish = { readOnly: false, label: "", expiresAt: null };
    const own = keys.create({ ...wish, user: "alice" });
    const any = keys.create({ ...wish, user: null });
    const as = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });
    await ask("/v1/runs", { user: "", ...as(own.key) });
    await ask("/v1/runs", { user: "bob", ...as(own.key) });
    await ask("/v1/runs", { user: "bob", ...as(any.key) });
    await ask("/v1/runs", { user: "bob" });
    expect(told.map(({ fields: { key, user, status } }) => [key, user, status])).toEqual([
      [own.made.id, "alice", 200],
      [own.made.id, "alice", 403],
      [any.made.id, "bob", 200],
      [undefined, "bob", 200],
    ]);
    expect(JSON.stringify(told)).not.toContain(own.key);
  });

  it("of which nothing ran is told with the code of what failed, and as a fault where it is ours", async () => {
    const { ask, told, runs } = bed();
    const asking = ask("/v1/runs", { body: { code: "" } });
    await expect.poll(() => runs.begun.length).toBe(1);
    await runs.last.end({ ok: false, status: "failed", error: { code: "sandbox_unavailable", message: SECRET } });
    expect(await problemIn(await asking)).toMatchObject({ code: "sandbox_unavailable" });
    expect(told).toMatchObject([
      {
        level: "error",
        event: "request",
        fields: { status: 503, code: "sandbox_unavailable", runId: runs.last.runId },
      },
    ]);
    expect(JSON.stringify(told)).not.toContain(SECRET);
  });
});
