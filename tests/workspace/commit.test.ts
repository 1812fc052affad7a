// Bootstrap and commit: whose the files are, what a failure leaves, what a disk or a missing Python changes.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { removeTree } from "../../src/safefs/tree.js";
import { Exchanger } from "../../src/workspace/exchange.js";
import { WorkspaceStore } from "../../src/workspace/store.js";
import { tempDir } from "../support/temp.js";
import { contentsOf, listed, owner, World } from "./fixtures/world.js";

const isRoot = process.getuid?.() === 0;
const PYTHON = "/usr/bin/python3";

describe("bootstrap", () => {
  it("gives a newcomer empty folders, and everybody a fresh work/", async () => {
    await using world = await World.open();
    const first = await world.run(({ dir, out, work, workspaceDir, size }) => {
      expect(readdirSync(dir).sort()).toEqual(["out", "work"]);
      expect([readdirSync(out), readdirSync(work)]).toEqual([[], []]);
      expect(dir).toBe(join(world.root, "s/u"));
      expect(workspaceDir).toBe(join(world.root, "w/u"));
      expect(size.entries).toBe(2);
      writeFileSync(join(work, "left"), "x");
      writeFileSync(join(out, "kept"), "x");
    });
    expect(readdirSync(first.prepared.work)).toEqual(["left"]);
    await world.run(({ out, work, size }) => {
      expect([readdirSync(out), readdirSync(work)]).toEqual([["kept"], []]);
      expect(size.entries).toBe(3);
    });
    expect(readdirSync(join(world.root, "s")).sort()).toEqual([".iso-runtime", "u"]);
  });

  it.runIf(isRoot)("owns what the program must not replace, and gives away the rest", async () => {
    await using world = await World.open();
    await world.run(({ dir, out, work }) => {
      expect([statSync(dir).uid, statSync(dir).mode & 0o7777]).toEqual([0, 0o755]);
      expect([statSync(work).uid, statSync(work).mode & 0o7777]).toEqual([0, 0o1777]);
      expect([statSync(out).uid, statSync(out).mode & 0o7777]).toEqual([owner.uid, 0o755]);
      mkdirSync(join(out, "d"));
      writeFileSync(join(out, "d/f"), "x", { mode: 0o4777 });
      symlinkSync("d/f", join(out, "l"));
    });
    for (const path of ["", "d", "d/f", "l"]) {
      const { uid, gid } = lstatSync(join(world.live, path));
      expect([uid, gid], path).toEqual([owner.uid, owner.gid]);
    }
    for (const root of ["w", "s"]) expect(statSync(join(world.root, root, ".iso-runtime")).mode & 0o7777).toBe(0o700);
  });

  it.runIf(isRoot)(
    "gives a run's files to whom its sandbox turns out to be, and the workspace's back to their owner",
    async () => {
      await using world = await World.open();
      const programs = { uid: 4400, gid: 4401 };
      mkdirSync(join(world.live, "d"), { recursive: true });
      for (const name of ["root's", "d/kept", "edited"]) writeFileSync(join(world.live, name), "old", { mode: 0o600 });
      symlinkSync("d/kept", join(world.live, "link"));
      const entries = ["d", "d/kept", "edited", "link", "root's"];
      const ids = (dir: string, paths: string[]) =>
        paths.map((path) => [lstatSync(join(dir, path)).uid, lstatSync(join(dir, path)).gid]);
      const all = (pair: { uid: number; gid: number }, paths: string[]) => paths.map(() => [pair.uid, pair.gid]);
      await using lock = await world.store.lock({ userId: "u" });
      const prepared = await world.store.bootstrap(lock, "run", Promise.resolve(programs));
      expect(ids(prepared.out, ["", ...entries])).toEqual(all(programs, ["", ...entries]));
      expect(prepared.owner).toEqual(programs);
      expect([statSync(prepared.dir).uid, statSync(prepared.work).uid]).toEqual([0, 0]);
      writeFileSync(join(prepared.out, "edited"), "new");
      const diff = await world.store.diff(prepared);
      expect(listed(diff)).toEqual({ modified: ["edited"] });
      expect([diff.written("d/kept"), diff.written("edited")]).toEqual([false, true]);
      await world.store.commit(prepared, diff, { durability: "process" });
      expect(ids(world.live, ["", ...entries])).toEqual(all(owner, ["", ...entries]));
      await using scratch = await world.store.lock({ userId: "u", workspace: null });
      const empty = await world.store.bootstrap(scratch, "none", programs);
      expect(ids(empty.out, [""])).toEqual(all(programs, [""]));
      await expect(world.store.bootstrap(lock, "failed", Promise.reject(new Error("no sandbox")))).rejects.toThrow(
        "no sandbox",
      );
      expect(readdirSync(join(world.root, "s/.iso-runtime/building"))).toEqual([]);
    },
  );

  it("has a folder of its own for each run without a workspace, gone when it is discarded", async () => {
    await using world = await World.open();
    const ref = { userId: "u", workspace: null };
    const locks = await Promise.all([world.store.lock(ref), world.store.lock(ref)]);
    const [one, two] = await Promise.all(locks.map((lock, number) => world.store.bootstrap(lock, `../${number}`)));
    if (!one || !two) throw new Error("no folders");
    expect(one.dir).not.toBe(two.dir);
    writeFileSync(join(one.out, "f"), "x");
    const diff = await world.store.diff(one);
    expect(diff.changes.created).toEqual([{ path: "f", bytes: 1 }]);
    expect((await world.store.commit(one, diff, { durability: "process" })).synced).toBe(false);
    await world.store.discard(one);
    expect(existsSync(one.dir)).toBe(false);
    expect(existsSync(join(world.root, "w/u"))).toBe(false);
  });

  it("says so when the workspace is no folder, and touches nothing", async () => {
    await using world = await World.open();
    mkdirSync(join(world.root, "w/u"));
    symlinkSync("/etc", world.live);
    await expect(world.run(() => undefined)).rejects.toMatchObject({ code: "config_invalid" });
    expect(lstatSync(world.live).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(world.root, "s"))).toEqual([".iso-runtime"]);
  });

  it("repairs a workspace that was locked by hand", async () => {
    await using world = await World.open();
    await world.run(({ out }) => writeFileSync(join(out, "f"), "x"));
    chmodSync(join(world.live, "f"), 0);
    chmodSync(world.live, 0);
    await world.run(({ out }) => {
      expect(readFileSync(join(out, "f"), "utf8")).toBe("x");
      writeFileSync(join(out, "g"), "y");
    });
    expect(contentsOf(world.live)).toEqual({ f: "x", g: "y" });
  });
});

describe("commit", () => {
  it("replaces the whole tree by another one, and keeps unchanged files as they are", async () => {
    await using world = await World.open();
    await world.run(({ out }) => {
      for (const name of ["same", "changed", "gone"]) writeFileSync(join(out, name), name);
    });
    const tree = lstatSync(world.live).ino;
    const same = lstatSync(join(world.live, "same")).ino;
    const { synced } = await world.run(({ out }) => {
      writeFileSync(join(out, "changed"), "new");
      rmSync(join(out, "gone"));
    });
    expect(synced.synced).toBe(true);
    expect(lstatSync(world.live).ino).not.toBe(tree);
    expect(lstatSync(join(world.live, "same")).ino).toBe(same);
    expect(contentsOf(world.live)).toEqual({ changed: "new", same: "same" });
  });

  it.each([
    ["an exchange", [PYTHON]],
    ["the second interpreter", ["/no/such/python", PYTHON]],
    ["an interpreter that only fails", ["/bin/false"]],
    ["no interpreter", []],
  ])("works with %s", async (_, pythonCandidates) => {
    await using world = await World.open({ pythonCandidates });
    for (const version of ["1", "2", "3"]) {
      const { synced } = await world.run(({ out }) => writeFileSync(join(out, "f"), version), "disk");
      expect(synced.synced).toBe(true);
      expect(contentsOf(world.live)).toEqual({ f: version });
    }
    expect(readdirSync(join(world.root, "w/.iso-runtime/staging"))).toEqual([]);
  });

  it("copies big files whole", async () => {
    await using world = await World.open();
    const data = Buffer.alloc(5_000_000, "0123456789");
    await world.run(({ out }) => writeFileSync(join(out, "big"), data, { mode: 0o755 }));
    expect(readFileSync(join(world.live, "big")).equals(data)).toBe(true);
    expect(statSync(join(world.live, "big")).mode & 0o7777).toBe(0o755);
    const { diff } = await world.run(({ out }) => writeFileSync(join(out, "big"), data));
    expect(diff.totals.modified).toBe(0);
  });

  it.runIf(existsSync("/dev/shm") && statSync("/dev/shm").dev !== statSync("/tmp").dev)(
    "works between roots on different file systems",
    async () => {
      const elsewhere = mkdtempSync("/dev/shm/iso-test-");
      onTestFinished(() => removeTree(elsewhere));
      await using world = await World.open({ sandboxRoot: elsewhere });
      for (const version of ["1", "2"]) {
        await world.run(({ out }) => {
          if (version === "2") expect(readFileSync(join(out, "f"), "utf8")).toBe("1");
          writeFileSync(join(out, "f"), version);
        });
      }
      expect(contentsOf(world.live)).toEqual({ f: "2" });
    },
  );

  it("leaves the workspace as it was when the disk is full", async ({ skip }) => {
    const small = tempDir();
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", small]).status === 0;
    if (!mounted) skip("needs the right to mount");
    onTestFinished(() => {
      spawnSync("umount", [small]);
    });
    await using world = await World.open({ workspaceRoot: small });
    const live = join(small, "u/out");
    await world.run(({ out }) => writeFileSync(join(out, "kept"), "x"));
    for (const name of ["one-file", "many/files"]) {
      const run = world.run(({ out }) => {
        mkdirSync(join(out, "many"));
        rmSync(join(out, "kept"));
        writeFileSync(join(out, name), Buffer.alloc(8 << 20, 1));
      });
      await expect(run).rejects.toMatchObject({
        code: "internal",
        message: expect.stringContaining("as it was before"),
      });
      expect(contentsOf(live)).toEqual({ kept: "x" });
      expect(readdirSync(join(small, ".iso-runtime/staging"))).toEqual([]);
    }
    expect((await world.run(({ out }) => writeFileSync(join(out, "small"), "x"))).synced.synced).toBe(true);
    expect(contentsOf(live)).toEqual({ kept: "x", small: "x" });
  });
});

describe("the exchange of two folders", () => {
  it("swaps them, asked side by side too, and reports what the system refuses", async () => {
    const root = tempDir();
    const [a, b] = [join(root, "a"), join(root, "b")];
    mkdirSync(join(a, "was-a"), { recursive: true });
    mkdirSync(join(b, "was-b"), { recursive: true });
    const exchanger = new Exchanger([PYTHON]);
    const answers = await Promise.all([1, 2, 3].map(() => exchanger.exchange(a, b)));
    expect(answers).toEqual([true, true, true]);
    expect([readdirSync(a), readdirSync(b)]).toEqual([["was-b"], ["was-a"]]);
    await expect(exchanger.exchange(a, join(root, "absent"))).rejects.toMatchObject({
      message: expect.stringContaining("ENOENT"),
    });
    expect(await exchanger.exchange(a, b)).toBe(true);
    await exchanger.close();
    await exchanger.close();
  });
});

it("a root serves several stores at once, and closing one twice harms nobody", async () => {
  const root = tempDir();
  const options = { workspaceRoot: join(root, "w"), sandboxRoot: join(root, "s"), owner };
  const stores = await Promise.all([1, 2, 3].map(() => WorkspaceStore.open(options)));
  expect(new Set(stores.map((store) => store.instance.id)).size).toBe(3);
  expect(new Set(stores.map((store) => store.instance.rootId)).size).toBe(1);
  for (const store of [...stores, ...stores]) await store.close();
  expect(readdirSync(join(root, "w/.iso-runtime/instances"))).toEqual([]);
});
