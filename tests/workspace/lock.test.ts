// The workspace lock: one at a time, in order of arrival, over processes that may die at any moment.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type WorkspaceLock, WorkspaceStore } from "../../src/workspace/store.js";
import { tempDir } from "../support/temp.js";
import { Child } from "./fixtures/child.js";

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const ref = { userId: "u" };
const open = (root: string) =>
  WorkspaceStore.open({ workspaceRoot: join(root, "w"), sandboxRoot: join(root, "s"), owner });
const queueOf = (root: string) => readdirSync(join(root, "w/.iso-runtime/queue/u"));
const logOf = (root: string) => readFileSync(join(root, "log"), "utf8").trimEnd().split("\n");

/** Waits for something that is bound to come. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("within one process", () => {
  it("lets callers in one at a time, in the order of their calls", async () => {
    await using store = await open(tempDir());
    const order: number[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 50 }, async (_, number) => {
        using _lock = await store.lock(ref);
        expect(++inside).toBe(1);
        order.push(number);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
      }),
    );
    expect(order).toEqual(Array.from({ length: 50 }, (_, number) => number));
  });

  it("keeps workspaces and users apart, and locks nothing for the workspace null", async () => {
    const root = tempDir();
    await using store = await open(root);
    const refs = [ref, { userId: "v" }, { userId: "u", workspace: "x" }, { userId: "u", workspace: null }];
    const held = await Promise.all([...refs, { userId: "u", workspace: null }].map((one) => store.lock(one)));
    expect(held.map((lock) => lock.dirName)).toEqual(["u", "v", "u.x", null, null]);
    for (const lock of held) lock.release();
    expect(queueOf(root)).toEqual([]);
  });

  it("lets a waiting caller give up, and the next one in", async () => {
    const root = tempDir();
    await using store = await open(root);
    const first = await store.lock(ref);
    const leaving = new AbortController();
    const second = store.lock(ref, leaving.signal);
    const third = store.lock(ref);
    leaving.abort(new Error("changed my mind"));
    await expect(second).rejects.toThrow("changed my mind");
    expect(queueOf(root).sort()).toEqual(["1", "3"]);
    first.release();
    first.release();
    (await third).release();
    await expect(store.lock(ref, AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
    expect(queueOf(root)).toEqual([]);
  });
});

describe("between processes", () => {
  it("never lets two in, whoever comes when", { timeout: 120_000 }, async () => {
    const root = tempDir();
    const turns = 60;
    const children = ["a", "b", "c", "d", "e"].map((name) => new Child("lock-worker.ts", [root, name, String(turns)]));
    for (const child of children) await child.says("ready");
    for (const child of children) child.tell("go");
    for (const child of children) expect(await child.ended, child.errors).toBe(0);
    const log = logOf(root);
    expect(log).toHaveLength(5 * turns);
    for (const name of ["a", "b", "c", "d", "e"]) {
      const own = log.filter((line) => line.startsWith(name));
      expect(own).toEqual(Array.from({ length: turns }, (_, turn) => `${name} ${turn}`));
    }
    expect(queueOf(root)).toEqual([]);
  });

  it("keeps the order of arrival", { timeout: 60_000 }, async () => {
    const root = tempDir();
    await using store = await open(root);
    const children = ["a", "b", "c"].map((name) => new Child("lock-worker.ts", [root, name, "0", "hold"]));
    for (const child of children) await child.says("ready");
    const first = await store.lock(ref);
    for (const [index, child] of children.entries()) {
      child.tell("lock");
      await child.says("queued");
      await until(() => queueOf(root).length === index + 2);
    }
    const last = store.lock(ref);
    first.release();
    for (const child of children) {
      await child.says("in");
      child.tell("release");
      await child.says("out");
    }
    (await last).release();
    expect(logOf(root)).toEqual(["a", "b", "c"]);
  });

  it("outlives a holder and waiters that are killed", { timeout: 60_000 }, async () => {
    const root = tempDir();
    await using store = await open(root);
    const names = ["holder", "dies waiting", "lives", "dies too"];
    const children = names.map((name) => new Child("lock-worker.ts", [root, name, "0", "hold"]));
    for (const child of children) await child.says("ready");
    for (const [index, child] of children.entries()) {
      child.tell("lock");
      await child.says("queued");
      await until(() => queueOf(root).length === index + 1);
    }
    const [holder, dying, living, dyingToo] = children;
    await holder?.says("in");
    const mine = store.lock(ref);
    await dying?.kill();
    await dyingToo?.kill();
    let in_ = false;
    const watching = mine.then((lock: WorkspaceLock) => {
      in_ = true;
      return lock;
    });
    await holder?.kill();
    await living?.says("in");
    expect(in_).toBe(false);
    living?.tell("release");
    (await watching).release();
    expect(logOf(root)).toEqual(["holder", "lives"]);
    expect(queueOf(root)).toEqual([]);
  });

  it("does not take a stopped holder for a dead one", { timeout: 60_000 }, async () => {
    const root = tempDir();
    await using store = await open(root);
    const child = new Child("lock-worker.ts", [root, "slow", "0", "hold"]);
    await child.says("ready");
    child.tell("lock");
    await child.says("queued");
    await child.says("in");
    child.process.kill("SIGSTOP");
    const giveUp = new AbortController();
    const waiting = store.lock(ref, giveUp.signal);
    setTimeout(() => giveUp.abort(new Error("still held")), 300);
    await expect(waiting).rejects.toThrow("still held");
    child.process.kill("SIGCONT");
    child.tell("release");
    await child.says("out");
    (await store.lock(ref)).release();
  });

  it("tells the living from the dead", { timeout: 60_000 }, async () => {
    const root = tempDir();
    await using store = await open(root);
    const other = await open(root);
    expect(other.instance.rootId).toBe(store.instance.rootId);
    expect(other.instance.id).not.toBe(store.instance.id);
    expect(await store.isAlive(other.instance.id)).toBe(true);
    expect(await store.isAlive(store.instance.id)).toBe(true);
    expect(await store.isAlive(other.instance.id)).toBe(true);
    await other.close();
    expect(await store.isAlive(other.instance.id)).toBe(false);
    for (const id of ["", "..", "0123456789abcdef", "../root-id"]) expect(await store.isAlive(id), id).toBe(false);

    const child = new Child("lock-worker.ts", [root, "x", "0", "hold"]);
    await child.says("ready");
    const instances = join(root, "w/.iso-runtime/instances");
    const [id = ""] = readdirSync(instances).filter((name) => name !== store.instance.id);
    expect(await store.isAlive(id)).toBe(true);
    await child.kill();
    expect(await store.isAlive(id)).toBe(false);
    writeFileSync(join(root, "s/.iso-runtime/slots", `${id}-slot`), "left behind");
    writeFileSync(join(root, "s/.iso-runtime/slots", `${store.instance.id}-slot`), "in use");
    await (await open(root)).close();
    expect(readdirSync(instances)).toEqual([store.instance.id]);
    expect(readdirSync(join(root, "s/.iso-runtime/slots"))).toEqual([`${store.instance.id}-slot`]);
  });
});
