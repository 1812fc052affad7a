// How much a user's workspaces may hold: what is measured, when it is measured anew, and what comes while there is room.
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Measure, StorageQuota } from "../../src/harness/storage-quota.js";
import { createRuntime } from "../../src/index.js";
import type { StoredBytes } from "../../src/workspace/storage.js";
import { tempDir } from "../support/temp.js";

function faked(sizes: Record<string, StoredBytes>, limitBytes: number | null, freeVersionBytes = 0) {
  const clock = { now: 1000 };
  const looks: string[] = [];
  const measure: Measure = {
    workspacesOf: () => Object.keys(sizes).map((name) => (name === "" ? {} : { workspace: name })),
    storedBytes: async ({ workspace }) => {
      looks.push(workspace ?? "");
      return sizes[workspace ?? ""] ?? { files: 0, versions: 0 };
    },
  };
  const quota = new StorageQuota(measure, { limitBytes, freeVersionBytes }, () => clock.now);
  return { quota, clock, looks, sizes };
}

async function* chunks(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size).fill(1);
}

const ALICE = { userId: "alice" };
const swallow = async (body: AsyncIterable<Uint8Array>) => {
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return bytes;
};

describe("a storage quota", () => {
  it("counts all workspaces, and versions beyond what one workspace may keep of them", async () => {
    const { quota, sizes } = faked({ "": { files: 60, versions: 90 }, b: { files: 20, versions: 15 } }, 100, 100);
    expect(await quota.used("alice")).toBe(85);
    await quota.check("alice");
    sizes.b = { files: 35, versions: 15 };
    quota.changed({ ...ALICE, workspace: "b" });
    await expect(quota.check("alice")).rejects.toMatchObject({
      ...{ code: "quota_exceeded", message: expect.stringContaining("100 bytes") },
    });
  });

  it("looks again at what changed, at a workspace that is new, and at all after a minute", async () => {
    const { quota, looks, clock } = faked({ "": { files: 1, versions: 0 }, b: { files: 1, versions: 0 } }, 100);
    await quota.check("alice");
    await quota.check("alice");
    expect(looks).toEqual(["", "b"]);
    quota.changed({ ...ALICE, workspace: "b" });
    quota.changed({ ...ALICE, workspace: "new" });
    quota.changed({ ...ALICE, workspace: null });
    await quota.check("alice");
    expect(looks.slice(2)).toEqual(["b", "new"]);
    clock.now += 60_000;
    await quota.check("alice");
    expect(looks.slice(4)).toEqual(["", "b"]);
  });

  it("looks again at what changed while it was looked at", async () => {
    const it = faked({ "": { files: 1, versions: 0 } }, 10);
    const checking = it.quota.check("alice");
    it.sizes[""] = { files: 10, versions: 0 };
    it.quota.changed(ALICE);
    await checking;
    await expect(it.quota.check("alice")).rejects.toMatchObject({ code: "quota_exceeded" });
  });

  it("lets files come while there is room, and counts those that come at once together", async () => {
    const { quota } = faked({ "": { files: 50, versions: 0 } }, 100);
    expect(await quota.receive(ALICE, chunks(20, 30), swallow)).toBe(50);
    await expect(quota.receive(ALICE, chunks(20, 31), swallow)).rejects.toMatchObject({ code: "quota_exceeded" });
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    // Received whole, and waits for its workspace.
    const first = quota.receive(ALICE, chunks(30), async (body) => {
      await swallow(body);
      await ended;
    });
    await new Promise(setImmediate);
    await expect(quota.receive(ALICE, chunks(21), swallow)).rejects.toMatchObject({ code: "quota_exceeded" });
    expect(await quota.receive(ALICE, chunks(20), swallow)).toBe(20);
    expect(await quota.receive({ userId: "bob" }, chunks(50), swallow)).toBe(50);
    end();
    await first;
    expect(await quota.receive(ALICE, chunks(50), swallow)).toBe(50);
  });

  it("reads nothing where it is full, and measures nothing where there is none", async () => {
    const full = faked({ "": { files: 100, versions: 0 } }, 100);
    const never = async () => {
      throw new Error("read");
    };
    await expect(full.quota.receive(ALICE, chunks(1), never)).rejects.toMatchObject({ code: "quota_exceeded" });
    const none = faked({ "": { files: 100, versions: 0 } }, null);
    await none.quota.check("alice");
    expect(await none.quota.receive(ALICE, chunks(1e6), swallow)).toBe(1e6);
    expect(none.looks).toEqual([]);
  });
});

describe("what workspaces hold on disk", () => {
  it("is told of each user's own alone, by the blocks that are allocated, with what versions hold for themselves", async () => {
    const roots = tempDir();
    const runtime = await createRuntime({
      ...{ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), tools: { tools: [] }, warm: 0 },
    });
    onTestFinished(() => runtime.close());
    const quota = StorageQuota.of(runtime.settings, 1e9);
    const usedNow = async (userId: string) => StorageQuota.of(runtime.settings, 1).used(userId);
    expect(await quota.used("alice")).toBe(0);
    const put = (userId: string, bytes: number, workspace?: string) =>
      runtime.workspaces.put({ userId, workspace }, "f", chunks(bytes));
    await put("alice", 100_000);
    await put("alice", 50_000, "other");
    await put("alice-b", 400_000);
    const odd = `${"Ä".repeat(120)}`;
    await put(odd, 70_000);
    const between = (bytes: number, low: number, high: number) => {
      expect(bytes).toBeGreaterThanOrEqual(low);
      expect(bytes).toBeLessThan(high);
    };
    between(await usedNow("alice"), 150_000, 190_000);
    between(await usedNow("alice-b"), 400_000, 430_000);
    between(await usedNow(odd), 70_000, 100_000);
    expect(await usedNow(`${odd}x`)).toBe(0);
    // A hole takes no room.
    const out = join(roots, "w/alice/out");
    writeFileSync(join(out, "sparse"), "x");
    truncateSync(join(out, "sparse"), 1e9);
    mkdirSync(join(roots, "w/alice.not a name"));
    between(await usedNow("alice"), 150_000, 200_000);
    // What is removed is a version's for as long as that is kept.
    await runtime.workspaces.remove({ userId: "alice" }, "f");
    const measure = new StorageQuota(
      {
        workspacesOf: () => [{}],
        storedBytes: async (ref) => (await import("../../src/workspace/storage.js")).storedBytes(runtime.settings, ref),
      },
      { limitBytes: 1e9, freeVersionBytes: 0 },
    );
    between(await measure.used("alice"), 100_000, 150_000);
  });
});
