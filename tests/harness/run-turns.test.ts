// Runs that wait for a place: real runs over a far backend, and the registry that takes them.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Admission, type ChosenLimits, queueLimits } from "../../src/harness/admission.js";
import type { AskedRun } from "../../src/harness/past-run.js";
import { RunRegistry } from "../../src/harness/run-registry.js";
import { StorageQuota } from "../../src/harness/storage-quota.js";
import { createRuntime } from "../../src/index.js";
import { FakeRemoteBackend } from "../support/fake-remote.js";
import { tempDir } from "../support/temp.js";

async function registryOf(limits: ChosenLimits, storageBytes: number | null = null) {
  const roots = tempDir();
  const backend = new FakeRemoteBackend();
  const runtime = await createRuntime({
    ...{ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), tools: { tools: [] } },
    ...{ backends: [backend], backend: backend.name, warm: 0 },
  });
  onTestFinished(() => runtime.close());
  const admission = new Admission({ queue: queueLimits(limits), rate: null });
  const storage = StorageQuota.of(runtime.settings, storageBytes);
  return { runtime, roots, storage, registry: new RunRegistry(runtime, { admission, storage }) };
}

const SLEEPS = "import time\ntime.sleep(0.4)";
const FOREVER = "while True: pass";
const WRITES = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/f", "w").write("x" * 9000)';
const typesOf = (registry: RunRegistry, { userId, runId }: AskedRun) =>
  [...registry.get(userId, runId).events.notable()].map(({ type }) => type);

describe("a run that waits for a place", () => {
  it("is queued, says so, and its wait is a part of queueMs and totalMs", async () => {
    const { registry } = await registryOf({ atOnce: 1 });
    const first = registry.start({ userId: "a", code: SLEEPS });
    const second = registry.start({ userId: "b", code: "print(1)" });
    await expect.poll(() => first.state).toBe("running");
    expect(second.state).toBe("queued");
    expect(typesOf(registry, second)).toEqual(["run.accepted"]);
    expect(registry.admission.counts()).toMatchObject({ atWork: 1, queued: 1 });
    expect(registry.counts()).toEqual({ queued: 1, running: 1, waiting: 0 });
    const [one, two] = [await first.ended, await second.ended];
    expect(one).toMatchObject({ ok: true });
    expect(two).toMatchObject({ ok: true, output: { stdout: { text: "1\n" } } });
    expect(two.timings?.queueMs).toBeGreaterThan(400);
    expect(two.timings?.totalMs).toBeGreaterThan(two.timings?.queueMs ?? 0);
    expect(one.timings?.queueMs).toBeLessThan(300);
    expect(registry.admission.counts()).toMatchObject({ atWork: 0, queued: 0, users: 0 });
  });

  it("is cancelled where it stands: nothing of it ran, and those behind it go on", async () => {
    const { registry, roots } = await registryOf({ atOnce: 1 });
    const first = registry.start({ userId: "a", code: SLEEPS });
    const second = registry.start({ userId: "b", code: WRITES });
    const third = registry.start({ userId: "c", code: WRITES });
    await expect.poll(() => typesOf(registry, second)).toContain("run.accepted");
    registry.cancel("b", second.runId);
    expect(await second.ended).toMatchObject({ status: "cancelled", sandbox: null, error: { code: "cancelled" } });
    expect(first.result).toBeNull();
    expect(typesOf(registry, second)).toEqual(["run.accepted", "run.finished"]);
    expect(await third.ended).toMatchObject({ ok: true });
    expect(existsSync(join(roots, "w/b/out/f"))).toBe(false);
    expect(existsSync(join(roots, "w/c/out/f"))).toBe(true);
  });

  it("has its end also where the service stops: those that drain run, and the rest is cancelled", async () => {
    const { registry, runtime } = await registryOf({ atOnce: 1 });
    const drained = [1, 2, 3].map(() => registry.start({ userId: "a", code: "", workspace: null }));
    registry.close();
    expect(() => registry.start({ userId: "a", code: "" })).toThrow("stopping");
    await registry.idle();
    for (const { result } of drained) expect(result).toMatchObject({ ok: true });
    const other = new RunRegistry(runtime, {
      admission: new Admission({ queue: queueLimits({ atOnce: 1 }), rate: null }),
    });
    const left = [1, 2, 3].map(() => other.start({ userId: "a", code: FOREVER }));
    await expect.poll(() => left[0]?.state).toBe("running");
    await runtime.close();
    await other.idle();
    for (const { result } of left) expect(result).toMatchObject({ status: "cancelled" });
    expect(other.admission.counts()).toMatchObject({ atWork: 0, queued: 0, users: 0 });
  });

  it("is the same one for the same Idempotency-Key, though there is room for no other", async () => {
    const { registry } = await registryOf({ atOnce: 1, queued: 1 });
    const again = { key: "one", body: "{}" };
    registry.start({ userId: "a", code: SLEEPS });
    const queued = registry.start({ userId: "b", code: "" }, again);
    expect(registry.start({ userId: "b", code: "" }, again)).toBe(queued);
    expect(() => registry.start({ userId: "b", code: "" }, { key: "two", body: "{}" })).toThrow("wait already");
    expect(await queued.ended).toMatchObject({ ok: true });
  });

  it("gives its place back where it is no run at all", async () => {
    const { registry } = await registryOf({ atOnce: 1, queued: 0 });
    for (const _ of [1, 2, 3]) expect(() => registry.start({ userId: "a", code: "", profile: "none" })).toThrow("none");
    expect(() => registry.start({ userId: "..", code: "" })).toThrow("user id");
    expect(registry.admission.counts()).toMatchObject({ atWork: 0, queued: 0, users: 0 });
    expect(await registry.start({ userId: "a", code: "" }).ended).toMatchObject({ ok: true });
  });
});

describe("a user whose workspaces are full", () => {
  it("has no run that could keep more, until there is room, and others have", async () => {
    const { registry, runtime, storage } = await registryOf({}, 8192);
    expect(await registry.start({ userId: "a", code: WRITES }).ended).toMatchObject({ ok: true });
    const refused = await registry.start({ userId: "a", code: "", workspace: "other" }).ended;
    expect(refused).toMatchObject({ status: "rejected", sandbox: null, error: { code: "quota_exceeded" } });
    expect(await registry.start({ userId: "a", code: "", workspace: null }).ended).toMatchObject({ ok: true });
    expect(await registry.start({ userId: "b", code: "" }).ended).toMatchObject({ ok: true });
    await runtime.workspaces.remove({ userId: "a" }, "f");
    storage.changed({ userId: "a" });
    expect(await registry.start({ userId: "a", code: "" }).ended).toMatchObject({ ok: true });
  });
});
