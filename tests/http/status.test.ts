// How the service is doing, what a run's receipt says, and files as versions had them: each from a real runtime.
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime } from "../../src/index.js";
import { tempDir } from "../support/temp.js";
import { bed, jsonOf, problemIn } from "./bed.js";

async function withRuntime() {
  const roots = tempDir();
  const runtime = await createRuntime({ workspaceRoot: `${roots}/w`, sandboxRoot: `${roots}/s` });
  onTestFinished(() => runtime.close());
  return { runtime, roots, ...bed({ runtime }) };
}

describe("GET /v1/status", () => {
  it("counts what waits and what ran, and names nobody", async () => {
    const { ask, runtime, roots } = await withRuntime();
    const before = await jsonOf(await ask("/v1/status", { user: "" }));
    expect(before).toMatchObject({ version: "1.2.3", backend: null, pool: [], runs: { queued: 0, running: 0 } });
    await runtime.warm();
    const after = await jsonOf(await ask("/v1/status", { user: "" }));
    expect(after.pool).toEqual([
      expect.objectContaining({ profile: "default", backend: after.backend.name, users: 0 }),
    ]);
    expect(after.pool[0].ready).toBeGreaterThan(0);
    expect(after.host.memoryBytes).toBeGreaterThan(after.host.freeBytes);
    expect(JSON.stringify(after)).not.toContain(roots);
    const metrics = await (await ask("/metrics", { user: "" })).text();
    expect(metrics).toMatch(/^iso_runtime_sandboxes_ahead\{backend="\w+",profile="default",state="ready"\} [1-9]/m);
    expect(await problemIn(await ask("/v1/status?x=1", { user: "" }))).toMatchObject({ status: 400 });
  });
});

describe("a run's receipt", () => {
  it("is the user's own, sealed, and nobody else's to find", async () => {
    const { ask, runtime } = await withRuntime();
    const [one, two] = [
      await runtime.run({ userId: "alice", code: "" }),
      await runtime.run({ userId: "bob", code: "" }),
    ];
    const found = await jsonOf(await ask(`/v1/runs/${one.runId}/receipt`));
    expect(found).toMatchObject({
      began: { sealed: true, line: { kind: "began", run: { runId: one.runId } } },
      ended: { sealed: true, line: { kind: "ended", ending: { status: one.status } } },
    });
    expect(found.ended.line.began).toBe(found.began.line.seq);
    expect(await problemIn(await ask(`/v1/runs/${two.runId}/receipt`))).toMatchObject({ status: 404 });
    expect(await problemIn(await ask("/v1/runs/no-id/receipt"))).toMatchObject({ status: 400 });
  });
});

describe("a file as a version had it", () => {
  it("is that one's, by id or number, and never another user's", async () => {
    const { ask } = await withRuntime();
    const put = async (text: string) =>
      (await jsonOf(await ask("/v1/workspace/files/a.txt", { method: "PUT", body: text, headers: OCTETS }))).version;
    const versions = [await put("one"), await put("two")];
    const at = async (version: string, user = "alice") =>
      await ask(`/v1/workspace/versions/${version}/files/a.txt`, { user });
    expect(await (await at(versions[0])).text()).toBe("one");
    expect(await (await at(versions[1])).text()).toBe("two");
    expect((await at(versions[0])).headers.get("Content-Disposition")).toContain("attachment");
    expect((await at(versions[0], "bob")).status).toBe(404);
    expect((await at("99")).status).toBe(404);
    expect((await at("..%2f..")).status).toBe(404);
    const part = await ask(`/v1/workspace/versions/${versions[1]}/files/a.txt`, { headers: { Range: "bytes=1-" } });
    expect([part.status, await part.text()]).toEqual([206, "wo"]);
  });
});

const OCTETS = { "Content-Type": "application/octet-stream" };
