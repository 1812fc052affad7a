// Versions and undo: what a version is named, what comes back, what a hand's edit does to it, and what is dropped.
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { WorkspaceStore } from "../../src/workspace/store.js";
import { listVersions } from "../../src/workspace/version-folder.js";
import { WorkspaceView } from "../../src/workspace/view.js";
import { count } from "../support/soak.js";
import { onWorkspaceStep } from "../support/steps.js";
import { contentsOf, contentsOfVersion, owner, World } from "./fixtures/world.js";

const write = (files: Record<string, string>) => (prepared: { out: string }) => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(prepared.out, path, ".."), { recursive: true });
    writeFileSync(join(prepared.out, path), text);
  }
};

async function undo(world: World, to?: string, withEdits?: boolean) {
  await using lock = await world.store.lock({ userId: "u" });
  return await world.store.undo(lock, { to, withEdits, durable: false });
}

async function remove(world: World, path: string) {
  await using lock = await world.store.lock({ userId: "u" });
  return await world.store.removePath(lock, path, false);
}

/** By path, its bytes as latin1; names need be no text. */
function bytesIn(dir: string | Buffer, prefix = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(dir, "buffer").sort(Buffer.compare)) {
    const path = Buffer.concat([Buffer.from(dir), Buffer.from("/"), name]);
    const shown = `${prefix}${name.toString("latin1")}`;
    if (lstatSync(path).isDirectory()) Object.assign(found, { [`${shown}/`]: "" }, bytesIn(path, `${shown}/`));
    else found[shown] = readFileSync(path, "latin1");
  }
  return found;
}

const view = (world: World) =>
  WorkspaceView.open({ workspaceRoot: join(world.root, "w"), sandboxRoot: join(world.root, "s") }, { userId: "u" });
const ids = (world: World) =>
  listVersions(join(world.root, "w/.iso-runtime/versions/u")).map(({ record }) => record.id);

describe("a version", () => {
  it("is named by the run that made it; one that changed nothing makes none", async () => {
    await using world = await World.open();
    const made = [];
    for (const text of ["1", "1", "2"]) made.push((await world.run(write({ a: text }))).synced.version);
    expect(made).toEqual(["00000001.run-0", null, "00000002.run-2"]);
    expect(await view(world).history()).toMatchObject({
      changedByHand: false,
      versions: [
        { number: 2, runId: "run-2", kind: "run", current: true, changes: { created: 0, modified: 1, deleted: 0 } },
        { number: 1, runId: "run-0", current: false, kept: true, changes: { created: 1, modified: 0, deleted: 0 } },
        { number: 0, runId: null, kind: "start", kept: true },
      ],
    });
  });

  it("is none where versions are off, and those that were kept are dropped when fewer are", async () => {
    await using world = await World.open({ versions: { keep: 0, maxBytes: 2 ** 30 } });
    expect((await world.run(write({ a: "1" }))).synced).toEqual({ synced: true, version: null });
    expect(ids(world)).toEqual([]);
    const roots = { workspaceRoot: join(world.root, "w"), sandboxRoot: join(world.root, "s"), owner };
    for (const keep of [5, 1, 1, 0]) {
      await using store = await WorkspaceStore.open({ ...roots, versions: { keep, maxBytes: 2 ** 30 } });
      await using lock = await store.lock({ userId: "u" });
      const prepared = await store.bootstrap(lock, "again");
      writeFileSync(join(prepared.out, "a"), `${Math.random()}`);
      await store.commit(prepared, await store.diff(prepared), { durability: "process" });
    }
    expect(ids(world)).toEqual(["00000003.again"]);
    // Nor is anything of one kept to be written over.
    expect(existsSync(join(world.root, "w/.iso-runtime/spare-folders/u/version"))).toBe(false);
    await expect(undo(world)).rejects.toMatchObject({ code: "invalid_request", hint: expect.stringContaining("keep") });
  });

  it.each([
    ["number", { keep: 2, maxBytes: 2 ** 30 }, 3],
    ["bytes", { keep: 100, maxBytes: 2_200_000 }, 3],
  ])("is dropped when the %s of what is kept is reached, the oldest first", async (_, versions, left) => {
    await using world = await World.open({ versions });
    for (let round = 1; round <= 6; round++) await world.run(write({ big: String(round).repeat(1_000_000) }));
    expect(ids(world)).toHaveLength(left);
    await undo(world);
    expect(readFileSync(join(world.live, "big"), "latin1")[0]).toBe("5");
    await expect(undo(world, "1")).rejects.toMatchObject({ code: "not_found" });
    expect(ids(world)).toHaveLength(left);
  });

  it.each([
    ["a few files", (n: number) => ({ [`f${n}`]: "1", "d/same": String(n) })],
    ["many", (n: number) => Object.fromEntries(Array.from({ length: 20 }, (_, file) => [`f${file}`, String(n)]))],
    ["a name that is no text", (n: number) => ({ "f\xff": String(n) })],
  ])("leaves nothing of %s to the one that gets its folder", async (_, filesOf) => {
    await using world = await World.open({ versions: { keep: 2, maxBytes: 2 ** 30 } });
    const states: Record<string, string>[] = [];
    for (let round = 0; round < 8; round += 1) {
      await world.run(({ out }) => {
        for (const name of readdirSync(out, "buffer")) {
          if (String(name) !== "logs") rmSync(Buffer.concat([Buffer.from(`${out}/`), name]), { recursive: true });
        }
        for (const [path, text] of Object.entries(filesOf(round))) {
          if (path.includes("/")) mkdirSync(join(out, path, ".."), { recursive: true });
          writeFileSync(Buffer.concat([Buffer.from(`${out}/`), Buffer.from(path, "latin1")]), text);
        }
      });
      states.push(bytesIn(world.live));
    }
    const kept = ids(world);
    expect(kept).toHaveLength(3);
    for (const id of kept) expect(contentsOfVersion(world.root, id)).toEqual(states[Number(id.slice(0, 8)) - 1]);
    const saved = (id: string) => join(world.root, "w/.iso-runtime/versions/u", id, "saved");
    for (const id of kept.slice(0, -1)) expect(readdirSync(saved(id)).length).toBeLessThanOrEqual(20);
    await undo(world);
    expect(bytesIn(world.live)).toEqual(states.at(-2));
  });

  it("costs the disk what changed, and what its folders take", async () => {
    await using world = await World.open({ versions: { keep: 100, maxBytes: 2 ** 30 } });
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`d${at % 10}/f${at}`, `${at}`]));
    await world.run(write(many));
    const used = () =>
      Number(
        spawnSync("du", ["-sk", join(world.root, "w")])
          .stdout.toString()
          .split("\t")[0],
      );
    const before = used();
    for (let round = 0; round < 5; round++) await world.run(write({ "d0/f0": `${round}`.repeat(200_000) }));
    // 196 KiB of data; ten folders of a hundred names take 4 KiB each, the record a few.
    expect((used() - before) / 5).toBeLessThan(196 + 80);
  });
});

describe("undo", () => {
  it("brings back the state before the last version, and again what was undone", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1", "d/b": "1" }));
    await world.run(({ out }) => {
      writeFileSync(join(out, "a"), "2");
      rmSync(join(out, "d"), { recursive: true });
      mkdirSync(join(out, "empty"));
      symlinkSync("a", join(out, "link"));
      chmodSync(join(out, "a"), 0o755);
    });
    const second = contentsOf(world.live);
    expect(await undo(world)).toMatchObject({ made: { kind: "undo", restored: "00000001.run-0" }, edited: [] });
    expect(contentsOf(world.live)).toEqual({ a: "1", "d/": "", "d/b": "1" });
    expect(statSync(join(world.live, "a")).mode & 0o777).toBe(0o644);
    await undo(world);
    expect(contentsOf(world.live)).toEqual(second);
    expect(statSync(join(world.live, "a")).mode & 0o777).toBe(0o755);
    await undo(world, "0");
    expect(contentsOf(world.live)).toEqual({});
    await undo(world, "00000001.run-0");
    expect(contentsOf(world.live)).toEqual({ a: "1", "d/": "", "d/b": "1" });
    const { diff } = await world.run(({ out }) => expect(contentsOf(out)).toEqual(contentsOf(world.live)));
    expect(diff.totals.modified).toBe(0);
  });

  it.each<[string, string | undefined, string]>([
    ["nothing", undefined, "not_found"],
    ["the live version", "1", "invalid_request"],
    ["a version that never was", "7", "not_found"],
    ["no version at all", "../../x", "not_found"],
  ])("of %s is refused and changes nothing", async (_, to, code) => {
    await using world = await World.open();
    if (to !== undefined) await world.run(write({ a: "1" }));
    else await world.run(() => undefined);
    const before = [contentsOf(world.live), ids(world)];
    await expect(undo(world, to)).rejects.toMatchObject({ code });
    expect([contentsOf(world.live), ids(world)]).toEqual(before);
  });

  it("refuses a version that was changed by hand through a file it shares, whatever size and time say", async () => {
    await using world = await World.open();
    await world.run(write({ shared: "original", other: "1" }));
    await world.run(write({ other: "2" }));
    const shared = join(world.live, "shared");
    const { mtime } = statSync(shared);
    writeFileSync(shared, "tampered");
    utimesSync(shared, mtime, mtime);
    await expect(undo(world)).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining('"shared"') });
    expect(contentsOf(world.live)).toEqual({ shared: "tampered", other: "2" });
    expect(await undo(world, undefined, true)).toMatchObject({ edited: [{ path: "shared" }] });
    expect(contentsOf(world.live)).toEqual({ shared: "tampered", other: "1" });
  });

  it("brings back what was removed by hand while a run was under way, and says so where files are gone", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1", b: "1" }));
    await world.run(({ out }) => {
      rmSync(join(world.live, "a"));
      writeFileSync(join(out, "b"), "2");
    });
    expect(ids(world)).toEqual(["00000000.start", "00000001.run-0", "00000002.hand", "00000003.run-1"]);
    await undo(world);
    expect(contentsOf(world.live)).toEqual({ b: "1" });
    const saved = join(world.root, "w/.iso-runtime/versions/u/00000001.run-0/saved");
    renameSync(join(saved, "a"), join(saved, "lost"));
    await expect(undo(world, "1")).rejects.toMatchObject({
      message: expect.stringContaining("1 of its files are gone"),
    });
    renameSync(join(saved, "lost"), join(saved, "a"));
    await undo(world, "1");
    expect(contentsOf(world.live)).toEqual({ a: "1", b: "1" });
  });

  it("gives back what was made by hand between two runs as a version of its own", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1", b: "1" }));
    rmSync(join(world.live, "a"));
    writeFileSync(join(world.live, "c"), "by hand");
    expect(await view(world).history()).toMatchObject({ changedByHand: true });
    const { synced } = await world.run(write({ b: "2" }));
    expect(synced.version).toBe("00000003.run-1");
    expect(ids(world)).toEqual(["00000000.start", "00000001.run-0", "00000002.hand", "00000003.run-1"]);
    await undo(world);
    expect(contentsOf(world.live)).toEqual({ b: "1", c: "by hand" });
    // "c" was added since the last run: it stays.
    await undo(world, "1");
    expect(contentsOf(world.live)).toEqual({ a: "1", b: "1" });
  });

  it("keeps what was added by hand since, and all that no run ever saw", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1" }));
    await world.run(write({ "d/b": "1" }));
    writeFileSync(join(world.live, "added"), "by hand");
    writeFileSync(join(world.live, "d/added"), "by hand");
    mkdirSync(join(world.live, "mine/empty"), { recursive: true });
    writeFileSync(join(world.live, "mine/file"), "by hand");
    for (const path of ["d/out", "mine/out"]) symlinkSync("/etc/hostname", join(world.live, path));
    mkdirSync(join(world.live, "logs"));
    writeFileSync(join(world.live, "logs/mine"), "operator's");
    await undo(world);
    expect(contentsOf(world.live)).toEqual({
      ...{ a: "1", added: "by hand", "d/": "", "d/added": "by hand", "d/out": "-> /etc/hostname" },
      ...{ "logs/": "", "logs/mine": "operator's" },
      ...{ "mine/": "", "mine/empty/": "", "mine/file": "by hand", "mine/out": "-> /etc/hostname" },
    });
    expect(await view(world).history()).toMatchObject({ changedByHand: false });
    await undo(world);
    expect(contentsOf(world.live)).toMatchObject({
      "d/b": "1",
      "d/out": "-> /etc/hostname",
      "logs/mine": "operator's",
    });
  });

  it("refuses where the operator's own would have no place", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1" }));
    await world.run(({ out }) => rmSync(join(out, "a")));
    symlinkSync("/etc/hostname", join(world.live, "a"));
    await expect(undo(world)).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining('"a"') });
    expect(contentsOf(world.live)).toEqual({ a: "-> /etc/hostname" });
  });

  it("takes over names that are no text, and files with several names", async () => {
    await using world = await World.open();
    const odd = Buffer.from([0x66, 0xff, 0x0a]);
    await world.run(({ out }) => {
      writeFileSync(Buffer.concat([Buffer.from(`${out}/`), odd]), "x");
      writeFileSync(join(out, "one"), "1");
      linkSync(join(out, "one"), join(out, "two"));
    });
    await world.run(({ out }) => {
      for (const name of readdirSync(out, { encoding: "buffer" }))
        rmSync(Buffer.concat([Buffer.from(`${out}/`), name]));
    });
    expect(contentsOf(world.live)).toEqual({});
    await undo(world);
    expect(readdirSync(world.live, { encoding: "buffer" })).toEqual([odd, Buffer.from("one"), Buffer.from("two")]);
    expect(lstatSync(join(world.live, "one")).ino).toBe(lstatSync(join(world.live, "two")).ino);
  });

  it("can do without a version whose record is damaged", async () => {
    await using world = await World.open();
    for (const text of ["1", "2", "3"]) await world.run(write({ a: text }));
    const versions = join(world.root, "w/.iso-runtime/versions/u");
    truncateSync(join(versions, "00000003.run-2/version.json"), 20);
    truncateSync(join(versions, "00000001.run-0/delta.json"), 3);
    expect((await world.run(write({ a: "4" }))).synced.version).toBe("00000005.run-3");
    await undo(world, "2");
    expect(contentsOf(world.live)).toEqual({ a: "2" });
  });
});

describe("a fault at any step", () => {
  it.each(["run", "undo"])("of %s is told where nothing changed, and harms nothing where it did", async (what) => {
    onTestFinished(() => onWorkspaceStep(null));
    const seen = new Set<string>();
    for (let at = 1; ; at++) {
      let steps = Number.NEGATIVE_INFINITY;
      let failed = "";
      await using world = await World.open({ versions: { keep: 2, maxBytes: 2 ** 30 } });
      onWorkspaceStep((name) => {
        steps += 1;
        if (steps !== at) return;
        failed = name;
        throw new Error("a fault");
      });
      for (const text of ["1", "2", "3"]) await world.run(write({ a: text }));
      const before = ids(world);
      steps = 0;
      const version = await (what === "run"
        ? world.run(write({ a: "new" })).then(({ synced }) => synced.version)
        : undo(world).then(({ made }) => made.id)
      ).catch(() => null);
      steps = Number.NEGATIVE_INFINITY;
      if (failed === "") break;
      seen.add(failed);
      expect(contentsOf(world.live), failed).toEqual({ a: version === null ? "3" : what === "run" ? "new" : "2" });
      // The next lock does what is left.
      (await world.store.lock({ userId: "u" })).release();
      expect(ids(world).at(-1), failed).toBe(version ?? before.at(-1));
      expect(readdirSync(join(world.root, "w/.iso-runtime/staging"))).toEqual([]);
      expect((await world.run(write({ b: "next" }))).synced.version, failed).not.toBeNull();
    }
    for (const name of ["commit.ready", "commit.placed", "commit.versioned", "commit.pruned"])
      expect(seen).toContain(name);
  });
});

describe("rm", () => {
  it("removes a file or a folder, and can be undone", async () => {
    await using world = await World.open();
    await world.run(write({ a: "1", "d/b": "1", "d/c": "1" }));
    expect(await remove(world, "d/b")).toMatchObject({ id: "00000002.rm", changes: { deleted: 1 } });
    expect(await remove(world, "d")).toMatchObject({ number: 3 });
    expect(contentsOf(world.live)).toEqual({ a: "1" });
    await undo(world);
    expect(contentsOf(world.live)).toEqual({ a: "1", "d/": "", "d/c": "1" });
    await undo(world, "1");
    expect(contentsOf(world.live)).toEqual({ a: "1", "d/": "", "d/b": "1", "d/c": "1" });
  });

  it.each([
    ["../x", "invalid_request"],
    ["/etc/passwd", "invalid_request"],
    ["", "invalid_request"],
    ["none", "not_found"],
    ["a/below", "not_found"],
    ["link/hostname", "not_found"],
    ["d", "conflict"],
    ["d/out", "conflict"],
  ])("refuses %j and changes nothing", async (path, code) => {
    await using world = await World.open();
    await world.run(write({ a: "1", "d/b": "1" }));
    symlinkSync("/etc/hostname", join(world.live, "d/out"));
    symlinkSync("/etc", join(world.live, "link"));
    const before = [contentsOf(world.live), ids(world)];
    await expect(remove(world, path)).rejects.toMatchObject({ code });
    expect([contentsOf(world.live), ids(world)]).toEqual(before);
    expect(existsSync("/etc/hostname")).toBe(true);
  });
});

describe("diff", () => {
  it("tells created, modified and deleted, with lines where both sides are short text", async () => {
    await using world = await World.open();
    await world.run(write({ text: "a\nb\nc\n", bytes: "\0\x01", gone: "x\n", same: "s" }));
    await world.run(({ out }) => {
      write({ text: "a\nB\nc\n", bytes: "\0\x02", "new/file": "n\n" })({ out });
      rmSync(join(out, "gone"));
    });
    const found = await view(world).diff();
    expect(found.totals).toEqual({ created: 1, modified: 2, deleted: 1 });
    expect(found.changes.map(({ path, change, patch }) => [path, change, patch])).toEqual([
      ["bytes", "modified", undefined],
      ["gone", "deleted", "@@ -1,1 +0,0 @@\n-x"],
      ["new/file", "created", "@@ -0,0 +1,1 @@\n+n"],
      ["text", "modified", "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c"],
    ]);
    const back = await view(world).diff("2", "1");
    expect(back.totals).toEqual({ created: 1, modified: 2, deleted: 1 });
    expect([back.from.live, back.to.live]).toEqual([true, false]);
  });

  it("gives no lines for texts that differ beyond measure, and stays quick", async () => {
    await using world = await World.open();
    const lines = (seed: number) => Array.from({ length: 20_000 }, (_, at) => `${(at * seed) % 9973}`).join("\n");
    await world.run(write({ big: lines(7) }));
    await world.run(write({ big: lines(11) }));
    expect((await view(world).diff()).changes).toMatchObject([{ path: "big", change: "modified" }]);
    expect((await view(world).diff()).changes[0]).not.toHaveProperty("patch");
  });
});

/** What a model of the workspace does beside the real one. */
type Act =
  | { type: "run"; path: string; text: string | null }
  | { type: "hand"; path: string; text: string | null; inPlace: boolean }
  | { type: "undo" }
  | { type: "back"; to: number };

const path = fc.constantFrom("a", "b", "d/c", "d/e", "f/g/h");
const text = fc.option(fc.constantFrom("1", "2", "3", "four"), { nil: null });
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("run" as const), path, text }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("hand" as const), path, text, inPlace: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ type: "undo" as const }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("back" as const), to: fc.nat(12) }) },
);

function put(dir: string, path: string, text: string | null, inPlace: boolean): void {
  const file = join(dir, path);
  if (text === null) rmSync(file, { force: true });
  else {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(inPlace ? file : `${file}.new`, text);
    if (!inPlace) renameSync(`${file}.new`, file);
  }
}

const filesIn = (dir: string) =>
  Object.fromEntries(Object.entries(contentsOf(dir)).filter(([name]) => !name.endsWith("/")));

it("any sequence of runs, hand edits and undos: what comes back is what was promised, or a refusal says why not", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 12 }), async (acts) => {
      await using world = await World.open({ versions: { keep: 50, maxBytes: 2 ** 30 } });
      await world.run(() => undefined);
      /** Each version's files, as they were when the next came: what may come back under that name. */
      const promised = new Map<number, Record<string, string>>();
      for (const one of acts) {
        const before = filesIn(world.live);
        const known = new Set(ids(world));
        if (one.type === "hand") {
          put(world.live, one.path, one.text, one.inPlace);
          continue;
        }
        if (one.type === "run") await world.run(({ out }) => put(out, one.path, one.text, true));
        else {
          const versions = listVersions(join(world.root, "w/.iso-runtime/versions/u"));
          const last = versions.findLast(({ record }) => record.before !== null);
          const made = await undo(world, one.type === "back" ? String(one.to) : undefined).catch((error) => {
            expect(["not_found", "conflict", "invalid_request"]).toContain(error.code);
            return null;
          });
          if (made === null) {
            expect(filesIn(world.live)).toEqual(before);
            expect(new Set(ids(world))).toEqual(known);
            continue;
          }
          const wanted = promised.get(Number(made.made.restored?.slice(0, 8)));
          const inLast = promised.get(last?.record.number ?? -1) ?? {};
          // What was added by hand since the last version stays beside it.
          const added = Object.entries(before).filter(([name]) => !(name in inLast) && !(name in (wanted ?? {})));
          const found = filesIn(world.live);
          expect(found).toEqual({ ...wanted, ...Object.fromEntries(added.filter(([name]) => name in found)) });
          for (const [name] of added) expect(found).toHaveProperty([name]);
        }
        for (const { record } of listVersions(join(world.root, "w/.iso-runtime/versions/u"))) {
          if (known.has(record.id)) continue;
          promised.set(record.number, ["run", "undo"].includes(record.kind) ? filesIn(world.live) : before);
        }
      }
    }),
    { numRuns: count(15, 300) },
  );
});

it("an appended line in place shows in history, and does not stop the next run", async () => {
  await using world = await World.open();
  await world.run(write({ log: "1\n" }));
  appendFileSync(join(world.live, "log"), "2\n");
  await world.run(write({ b: "1" }));
  expect(contentsOf(world.live)).toEqual({ b: "1", log: "1\n2\n" });
  expect(await view(world).history()).toMatchObject({ changedByHand: false });
});
