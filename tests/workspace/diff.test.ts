// What a run did, told by content, and what of it goes back.
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Tree } from "../../src/safefs/tree.js";
import { contentsOf, listed, owner, World } from "./fixtures/world.js";

const isRoot = process.getuid?.() === 0;

describe("changes", () => {
  it("are created, modified and deleted files, never folders", async () => {
    await using world = await World.open();
    const first = await world.run(({ out }) => {
      mkdirSync(join(out, "d/e"), { recursive: true });
      mkdirSync(join(out, "empty"));
      writeFileSync(join(out, "a"), "a");
      writeFileSync(join(out, "d/e/b"), "b");
      writeFileSync(join(out, "c"), "c");
    });
    expect(listed(first.diff)).toEqual({ created: ["a", "c", "d/e/b"] });
    expect(first.diff.changes.created[0]).toEqual({ path: "a", bytes: 1 });
    const second = await world.run(({ out }) => {
      writeFileSync(join(out, "a"), "changed");
      rmSync(join(out, "d"), { recursive: true });
      writeFileSync(join(out, "n"), "new");
    });
    expect(listed(second.diff)).toEqual({ created: ["n"], modified: ["a"], deleted: ["d/e/b"] });
    expect(second.diff.totals).toMatchObject({ created: 1, modified: 1, deleted: 1, skipped: 0, leftInWork: 0 });
    expect(contentsOf(world.live)).toEqual({ a: "changed", c: "c", "empty/": "", n: "new" });
  });

  it("see other bytes of the same size and time, and not what was only touched or rewritten", async () => {
    await using world = await World.open();
    await world.run(({ out }) => {
      for (const name of ["forged", "touched", "rewritten", "replaced", "mode"]) writeFileSync(join(out, name), "same");
    });
    const { diff, synced } = await world.run(({ out }) => {
      const { atime, mtime } = statSync(join(out, "forged"));
      writeFileSync(join(out, "forged"), "lies");
      utimesSync(join(out, "forged"), atime, mtime);
      utimesSync(join(out, "touched"), new Date(), new Date());
      writeFileSync(join(out, "rewritten"), "same");
      unlinkSync(join(out, "replaced"));
      writeFileSync(join(out, "replaced"), "same");
      chmodSync(join(out, "mode"), 0o755);
    });
    expect(listed(diff)).toEqual({ modified: ["forged"] });
    expect(synced.synced).toBe(true);
    for (const name of ["forged", "touched", "rewritten", "replaced", "mode"]) {
      expect(diff.existed(name), name).toBe(true);
      expect(diff.written(name), name).toBe(true);
    }
    expect(statSync(join(world.live, "mode")).mode & 0o7777).toBe(0o755);
  });

  it("tell what the run wrote from what was there", async () => {
    await using world = await World.open();
    await world.run(({ out }) => writeFileSync(join(out, "old"), "x"));
    const { diff } = await world.run(({ out }) => writeFileSync(join(out, "new"), "x"));
    expect([diff.existed("old"), diff.written("old")]).toEqual([true, false]);
    expect([diff.existed("new"), diff.written("new")]).toEqual([false, true]);
    expect([diff.existed("none"), diff.written("none"), diff.written("old/x")]).toEqual([false, false, false]);
  });

  it("follow a change of kind", async () => {
    await using world = await World.open();
    await world.run(({ out }) => {
      for (const name of ["file-dir", "file-link", "file-fifo"]) writeFileSync(join(out, name), "x");
      mkdirSync(join(out, "dir-file"));
      writeFileSync(join(out, "dir-file/inner"), "x");
      symlinkSync("file-dir", join(out, "link"));
    });
    const { diff } = await world.run(({ out }) => {
      for (const name of ["file-dir", "file-link", "file-fifo", "link"]) unlinkSync(join(out, name));
      mkdirSync(join(out, "file-dir"));
      writeFileSync(join(out, "file-dir/inner"), "x");
      symlinkSync("dir-file", join(out, "file-link"));
      execFileSync("mkfifo", [join(out, "file-fifo")]);
      rmSync(join(out, "dir-file"), { recursive: true });
      writeFileSync(join(out, "dir-file"), "x");
      symlinkSync("file-link", join(out, "link"));
    });
    expect(listed(diff)).toEqual({
      created: ["dir-file", "file-dir/inner"],
      modified: ["file-link", "link"],
      deleted: ["dir-file/inner", "file-dir", "file-fifo"],
      skipped: ["file-fifo"],
    });
    expect(contentsOf(world.live)).toEqual({
      "dir-file": "x",
      "file-dir/": "",
      "file-dir/inner": "x",
      "file-link": "-> dir-file",
      link: "-> file-link",
    });
  });

  it("notice a mode or an empty folder, list neither, and keep both", async () => {
    await using world = await World.open();
    await world.run(({ out }) => writeFileSync(join(out, "tool"), "x"));
    const inode = lstatSync(world.live).ino;
    const nothing = await world.run(() => undefined);
    expect([nothing.synced, lstatSync(world.live).ino]).toEqual([{ synced: true, version: null }, inode]);
    const { diff } = await world.run(({ out }) => {
      mkdirSync(join(out, "empty"));
      chmodSync(join(out, "tool"), 0o4755);
    });
    expect(listed(diff)).toEqual({});
    expect(contentsOf(world.live)).toEqual({ "empty/": "", tool: "x" });
    expect(lstatSync(join(world.live, "tool")).mode & 0o7777).toBe(0o755);
  });

  it("are counted truly where lists are cut", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ out }) => {
      for (let number = 0; number < 1200; number++) writeFileSync(join(out, String(number)), "x");
    });
    expect(diff.changes.created).toHaveLength(1000);
    expect(diff.totals.created).toBe(1200);
    expect(diff.growth.entries).toBe(1200);
    expect(diff.growth.bytes).toBeGreaterThanOrEqual(1200 * 4096);
  });
});

it("calls nothing deleted that a look cut short did not come to", async () => {
  await using world = await World.open();
  await world.run(({ out }) => {
    for (let number = 0; number < 50; number++) writeFileSync(join(out, `z${number}`), "x");
  });
  await using lock = await world.store.lock({ userId: "u" });
  const prepared = await world.store.bootstrap(lock, "many");
  for (let number = 0; number < 40; number++) writeFileSync(join(prepared.out, `a${number}`), "x");
  const diff = await world.store.diff(prepared, { maxNewEntries: 20 });
  expect([diff.totals.deleted, diff.sync]).toEqual([0, null]);
  expect(diff.totals.created).toBeGreaterThan(20);
});

describe("what is left out", () => {
  it("is told of with its reason, and never reaches the workspace", async () => {
    await using world = await World.open();
    const server = createServer();
    let device = false;
    const { diff, synced } = await world.run(async ({ out }) => {
      mkdirSync(join(out, "d/logs"), { recursive: true });
      mkdirSync(join(out, "logs/sub"), { recursive: true });
      writeFileSync(join(out, "logs/mine.log"), "x");
      writeFileSync(join(out, "logs/sub/more.log"), "x");
      writeFileSync(join(out, "d/logs/kept"), "x");
      execFileSync("mkfifo", [join(out, "fifo")]);
      await new Promise<void>((done) => server.listen(join(out, "socket"), done));
      device = spawnSync("mknod", [join(out, "zero"), "c", "1", "5"]).status === 0;
      symlinkSync("/etc/passwd", join(out, "absolute"));
      symlinkSync("../../../etc/passwd", join(out, "leaves"));
      symlinkSync("absolute", join(out, "by-absolute"));
      symlinkSync("circle", join(out, "circle"));
      symlinkSync("d/../../x", join(out, "d/leaves-late"));
      symlinkSync("missing/../..", join(out, "perhaps"));
      symlinkSync("..", join(out, "d/top"));
      symlinkSync("d/top/d", join(out, "through-top"));
      symlinkSync("d/top/../out", join(out, "past-top"));
      symlinkSync("nowhere/yet", join(out, "dangling"));
    });
    await new Promise((done) => server.close(done));
    const reasons = Object.fromEntries(diff.changes.skipped.map(({ path, reason }) => [path, reason]));
    const reserved: unknown = expect.stringContaining("reserved");
    expect(reasons).toEqual({
      absolute: "link with an absolute target",
      "by-absolute": "link through another one with an absolute target",
      circle: "link that leads in a circle",
      "d/leaves-late": expect.stringContaining(".."),
      fifo: "named pipe",
      leaves: "link that leaves out/",
      "logs/mine.log": reserved,
      "logs/sub/more.log": reserved,
      "past-top": "link that leaves out/",
      perhaps: expect.stringContaining(".."),
      socket: "socket",
      ...(device ? { zero: "device file" } : {}),
    });
    expect(synced.synced).toBe(true);
    expect(contentsOf(world.live)).toEqual({
      "d/": "",
      "d/logs/": "",
      "d/logs/kept": "x",
      "d/top": "-> ..",
      dangling: "-> nowhere/yet",
      "through-top": "-> d/top/d",
    });
    const again = await world.run(({ out }) => expect(contentsOf(out)).toEqual(contentsOf(world.live)));
    expect(listed(again.diff)).toEqual({});
  });

  it("is a file that is nearly all hole", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ out }) => {
      writeFileSync(join(out, "huge"), "x");
      truncateSync(join(out, "huge"), 2 ** 40);
      writeFileSync(join(out, "holey"), "x");
      truncateSync(join(out, "holey"), 2 ** 26);
    });
    expect(listed(diff)).toEqual({ created: ["holey"], skipped: ["huge"] });
    const kept = lstatSync(join(world.live, "holey"));
    expect([kept.size, kept.blocks * 512 < 2 ** 22]).toEqual([2 ** 26, true]);
  });

  it("is everything, when out/ itself was removed or replaced", async () => {
    await using world = await World.open();
    await world.run(({ out }) => writeFileSync(join(out, "kept"), "x"));
    const before = contentsOf(world.live);
    const acts: ((out: string) => void)[] = [
      (out) => rmSync(out, { recursive: true }),
      (out) => {
        renameSync(out, `${out}-moved`);
        symlinkSync("/etc", out);
      },
      (out) => {
        rmSync(out, { recursive: true });
        writeFileSync(out, "no folder");
      },
    ];
    for (const act of acts) {
      const { diff, synced } = await world.run(({ out }) => act(out));
      expect(diff).toMatchObject({ replaced: true, totals: { created: 0, deleted: 0 } });
      expect(synced).toEqual({ synced: false, version: null, reason: "out/ was removed or replaced by the program" });
      expect(contentsOf(world.live)).toEqual(before);
    }
  });

  it("is a tree of more entries than anybody asked for", async () => {
    await using world = await World.open();
    await using lock = await world.store.lock({ userId: "u" });
    const prepared = await world.store.bootstrap(lock, "many");
    for (let number = 0; number < 50; number++) writeFileSync(join(prepared.out, String(number)), "x");
    const diff = await world.store.diff(prepared, { maxNewEntries: 20 });
    expect(diff.refused).toContain("20 new entries");
    expect(diff.growth.entries).toBeGreaterThanOrEqual(20);
    expect((await world.store.commit(prepared, diff, { durability: "process" })).synced).toBe(false);
    expect(contentsOf(world.live)).toEqual({});
  });
});

describe("work/", () => {
  it("lists what is left in it, other than the snippet, and follows nothing", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ work }) => {
      writeFileSync(join(work, "main.py"), "x");
      mkdirSync(join(work, "sub"));
      writeFileSync(join(work, "sub/main.py"), "four");
      symlinkSync("/etc", join(work, "etc"));
    });
    expect(diff.changes.leftInWork).toEqual([
      { path: "etc", bytes: 4 },
      { path: "sub/main.py", bytes: 4 },
    ]);
    expect(diff.growth.entries).toBe(3);
  });

  it("is not all that is listed: a program of the host's own uid can put files beside it, and close the folder of both", async () => {
    await using world = await World.open();
    const { diff, synced } = await world.run(({ dir, out }) => {
      mkdirSync(join(dir, "beside"));
      writeFileSync(join(dir, "beside/hidden"), Buffer.alloc(1 << 20, 1));
      writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff])]), "");
      writeFileSync(join(out, "kept"), "x");
      chmodSync(dir, 0);
    });
    expect(diff.changes.leftInWork).toEqual([
      { path: "../beside/hidden", bytes: 1 << 20 },
      { path: "../\\xff", pathBase64: "Li4v/w==", bytes: 0 },
    ]);
    expect(diff.growth.bytes).toBeGreaterThan(1 << 20);
    expect([synced.synced, contentsOf(world.live)]).toEqual([true, { kept: "x" }]);
    // As an ordinary user, who could not move a closed folder away.
    await world.run(({ dir }) => chmodSync(dir, 0));
    await world.run(({ out }) => expect(contentsOf(out)).toEqual({ kept: "x" }));
  });

  it("may be gone or a link", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ work }) => {
      rmSync(work, { recursive: true });
      symlinkSync("/etc", work);
    });
    expect(diff.changes.leftInWork).toEqual([{ path: "../work", bytes: 4 }]);
  });
});

describe("hostile trees", () => {
  it("keep every name, byte for byte", async () => {
    await using world = await World.open();
    const names = [
      "-rf",
      "...",
      "..foo",
      "a\nb",
      "é",
      "e\u0301",
      "A",
      "a",
      ".git",
      "node_modules",
      "n".repeat(255),
    ].map((name) => Buffer.from(name));
    names.push(Buffer.from([0xff, 0xfe]));
    const { diff } = await world.run(({ out }) => {
      for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${out}/`), name]), name);
    });
    expect(diff.totals.created).toBe(names.length);
    expect(diff.changes.created.at(-1)).toEqual({ path: "\\xff\\xfe", pathBase64: "//4=", bytes: 2 });
    using live = Tree.open(world.live);
    for (const name of names) expect(live.readFile(name, 300)).toEqual(name);
  });

  it("are collected through mode 000", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ out }) => {
      mkdirSync(join(out, "d"));
      writeFileSync(join(out, "d/f"), "x");
      chmodSync(join(out, "d/f"), 0);
      chmodSync(join(out, "d"), 0);
      chmodSync(out, 0);
    });
    expect(listed(diff)).toEqual({ created: ["d/f"] });
    expect(contentsOf(world.live)).toEqual({ "d/": "", "d/f": "x" });
    expect(lstatSync(join(world.live, "d/f")).mode & 0o7777).toBe(0o644);
    expect(lstatSync(join(world.live, "d")).mode & 0o7777).toBe(0o755);
  });

  it("may be 3000 levels deep", { timeout: 60_000 }, async () => {
    await using world = await World.open();
    const deep = Array.from({ length: 3000 }, () => "deep").join("/");
    const { diff } = await world.run(({ out }) => {
      using tree = Tree.open(out);
      tree.writeFile(`${deep}/f`, "bottom");
    });
    expect(diff.totals.created).toBe(1);
    expect(Buffer.byteLength(JSON.stringify(diff.changes))).toBeLessThan(20_000);
    using live = Tree.open(world.live);
    expect(live.readFile(`${deep}/f`, 10).toString()).toBe("bottom");
    const again = await world.run(({ out }) => {
      using tree = Tree.open(out);
      tree.writeFile(`${deep}/f`, "BOTTOM");
    });
    expect(again.diff.totals).toMatchObject({ modified: 1, created: 0, deleted: 0 });
  });

  it("do not grow by files with several names", async () => {
    await using world = await World.open();
    const { diff } = await world.run(({ out }) => {
      writeFileSync(join(out, "0"), Buffer.alloc(1 << 20, 7));
      for (let number = 1; number < 100; number++) linkSync(join(out, "0"), join(out, String(number)));
    });
    expect(diff.totals.created).toBe(100);
    expect(diff.growth.bytes).toBeLessThan(2 << 20);
    const used = async (dir: string) => {
      using tree = Tree.open(dir);
      return (await tree.measure()).bytes;
    };
    expect(await used(world.live)).toBeLessThan(2 << 20);
    const again = await world.run(async ({ out }) => {
      expect(await used(out)).toBeLessThan(2 << 20);
      appendFileSync(join(out, "7"), "more");
    });
    expect(again.diff.totals.modified).toBe(100);
    expect(readFileSync(join(world.live, "42")).length).toBe((1 << 20) + 4);
  });
});

describe("hand edits between runs", () => {
  it("are seen, and come out in normal form when the tree is written anew", async () => {
    await using world = await World.open();
    await world.run(({ out }) => writeFileSync(join(out, "a"), "a"));
    writeFileSync(join(world.live, "by-hand"), "edited", { mode: 0o600 });
    const moment = new Date("2020-01-02T03:04:05Z");
    utimesSync(join(world.live, "by-hand"), moment, moment);
    const { prepared, diff } = await world.run(({ out }) => {
      expect(contentsOf(out)).toEqual({ a: "a", "by-hand": "edited" });
      writeFileSync(join(out, "b"), "b");
    });
    const inSandbox = lstatSync(join(prepared.out, "by-hand"));
    expect(inSandbox.mtime).toEqual(moment);
    expect(inSandbox.ino).not.toBe(lstatSync(join(world.live, "by-hand")).ino);
    expect(listed(diff)).toEqual({ created: ["b"] });
    const kept = lstatSync(join(world.live, "by-hand"));
    expect([kept.mode & 0o7777, kept.mtime.getTime()]).toEqual([0o644, moment.getTime()]);
    if (isRoot) {
      for (const path of [inSandbox, kept]) expect([path.uid, path.gid]).toEqual([owner.uid, owner.gid]);
    }
  });

  it("that no sandbox may get stay where they are", async () => {
    await using world = await World.open();
    await world.run(({ out }) => mkdirSync(join(out, "d")));
    symlinkSync("/var/tmp", join(world.live, "d/data"));
    mkdirSync(join(world.live, "logs/old"), { recursive: true });
    writeFileSync(join(world.live, "logs/old/x.log"), "x");
    execFileSync("mkfifo", [join(world.live, "taken")]);
    const before = contentsOf(world.live);
    const { diff } = await world.run(({ out }) => {
      expect(contentsOf(out)).toEqual({ "d/": "" });
      writeFileSync(join(out, "new"), "x");
    });
    expect(listed(diff)).toEqual({ created: ["new"] });
    expect(contentsOf(world.live)).toEqual({ ...before, new: "x" });
    await world.run(({ out }) => writeFileSync(join(out, "taken"), "x"));
    expect(contentsOf(world.live)).toEqual({ ...before, new: "x", taken: "x" });
  });
});
