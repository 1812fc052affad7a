// The copy that one run leaves to the next: it is the workspace, whatever the program and people did meanwhile, and it hides nothing a program did.
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
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lookUp } from "../../src/workspace/manifest.js";
import type { Prepared } from "../../src/workspace/store.js";
import { count } from "../support/soak.js";
import { contentsOf, listed, type Ran, World } from "./fixtures/world.js";

const FILES = 150;
const FOLDERS = 5;

/** A workspace of a size that is watched, in which two runs went by: from the next one on the copy is kept. */
async function full(): Promise<World> {
  const world = await World.open();
  for (let file = 0; file < FILES; file += 1) {
    const folder = join(world.live, `d${file % FOLDERS}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${file}`), `${file}`);
  }
  for (const text of ["1", "2"]) await run(world, ({ out }) => writeFileSync(join(out, "run"), text));
  return world;
}

/** As a run goes: the folder is delivered, and then the program is there. */
async function run(world: World, act: (prepared: Prepared) => void): Promise<Ran> {
  return await world.run(async (prepared) => {
    expect(contentsOf(prepared.out)).toEqual(contentsOf(world.live));
    await world.store.delivered(prepared);
    act(prepared);
  });
}

/** Whether a run got the very folder of the one before. */
async function inodes(world: World, runs: number, act: (prepared: Prepared) => void): Promise<bigint[]> {
  const found: bigint[] = [];
  for (let at = 0; at < runs; at += 1) {
    await run(world, (prepared) => {
      found.push(lstatSync(prepared.out, { bigint: true }).ino);
      act(prepared);
    });
  }
  return found;
}

describe("a copy is kept", () => {
  it.each<[string, (prepared: Prepared) => void]>([
    ["changes a file", ({ out }) => appendFileSync(join(out, "d0/f0"), "more")],
    ["makes a file", ({ out }) => writeFileSync(join(out, "d1/new"), `${Math.random()}`)],
    ["makes a folder", ({ out }) => mkdirSync(join(out, `made-${Math.random()}/deep`), { recursive: true })],
    ["changes nothing", () => undefined],
  ])("by a run that %s", async (_, act) => {
    await using world = await full();
    const [first, ...more] = await inodes(world, 3, act);
    expect(more).toEqual([first, first]);
  });

  it("is made anew after a run that gave a folder other permissions", async () => {
    await using world = await full();
    const [first] = await inodes(world, 1, ({ out }) => chmodSync(join(out, "d0"), 0o700));
    const [second] = await inodes(world, 1, ({ out }) => expect(statSync(join(out, "d0")).mode & 0o777).toBe(0o755));
    expect(second).not.toBe(first);
  });

  it.runIf(process.getuid?.() === 0)("is given to the owner of the next sandbox, all of it", async () => {
    await using world = await full();
    const [first] = await inodes(world, 1, () => undefined);
    await using lock = await world.store.lock({ userId: "u" });
    const { out, baseline } = await world.store.bootstrap(lock, "other", { uid: 4400, gid: 4401 });
    expect(lstatSync(out, { bigint: true }).ino).toBe(first);
    for (const path of ["", "d0", "d0/f0", "run"]) {
      const { uid, gid } = lstatSync(join(out, path));
      expect([uid, gid], path).toEqual([4400, 4401]);
    }
    expect(lookUp(baseline.root, "run")?.entry.uid).toBe(4400);
  });
});

describe("a program hides nothing", () => {
  const text = "tampered";
  it.each<[string, (prepared: Prepared) => void]>([
    [
      "in place, with its old times",
      ({ out }) => forge(join(out, "d0/f0"), () => writeFileSync(join(out, "d0/f0"), text)),
    ],
    [
      "through another name beside out/, removed again",
      ({ out, work }) => {
        linkSync(join(out, "d0/f0"), join(work, "x"));
        writeFileSync(join(work, "x"), text);
        unlinkSync(join(work, "x"));
      },
    ],
    [
      "through a name in a new folder, removed again",
      ({ out }) => {
        mkdirSync(join(out, "d1/new"));
        linkSync(join(out, "d0/f0"), join(out, "d1/new/x"));
        writeFileSync(join(out, "d1/new/x"), text);
        rmSync(join(out, "d1/new"), { recursive: true });
      },
    ],
    [
      "through a name in another folder, removed again",
      ({ out }) => {
        linkSync(join(out, "d0/f0"), join(out, "d1/x"));
        writeFileSync(join(out, "d1/x"), text);
        unlinkSync(join(out, "d1/x"));
      },
    ],
    [
      "through a folder in work/",
      ({ out, work }) => {
        mkdirSync(join(work, "w"));
        linkSync(join(out, "d0/f0"), join(work, "w/x"));
        writeFileSync(join(work, "w/x"), text);
      },
    ],
    [
      "by another file moved there, with the old times",
      ({ out }) =>
        forge(join(out, "d0/f0"), () => {
          writeFileSync(join(out, "d0/part"), text);
          renameSync(join(out, "d0/part"), join(out, "d0/f0"));
        }),
    ],
    [
      "by a folder moved away and one put in its place",
      ({ out }) => {
        renameSync(join(out, "d0"), join(out, "aside"));
        mkdirSync(join(out, "d0"));
        for (let file = 0; file < FILES; file += FOLDERS)
          linkSync(join(out, `aside/f${file}`), join(out, `d0/f${file}`));
        writeFileSync(join(out, "d0/f0"), text);
        rmSync(join(out, "aside"), { recursive: true });
      },
    ],
  ])("it changes %s", async (_, act) => {
    await using world = await full();
    await run(world, ({ out }) => writeFileSync(join(out, "d0/f0"), "original"));
    const { diff } = await run(world, act);
    expect(listed(diff)).toMatchObject({ modified: ["d0/f0"] });
    expect(readFileSync(join(world.live, "d0/f0"), "utf8")).toBe(text);
    await run(world, () => undefined);
  });

  it("leaves nothing to the next run but what the workspace has", async () => {
    await using world = await full();
    await run(world, ({ out }) => {
      symlinkSync("/etc/passwd", join(out, "d0/out"));
      mkdirSync(join(out, "logs"));
      writeFileSync(join(out, "d0/odd"), "x", { mode: 0o4777 });
      chmodSync(join(out, "d0/f5"), 0o600);
    });
    await run(world, ({ out }) => {
      expect(statSync(join(out, "d0/odd")).mode & 0o7777).toBe(0o755);
      expect(statSync(join(out, "d0/f5")).mode & 0o7777).toBe(0o644);
    });
  });

  function forge(path: string, change: () => void): void {
    const { atime, mtime } = statSync(path);
    change();
    utimesSync(path, atime, mtime);
  }
});

it("what people do to a workspace or to a copy between runs is seen, or has no effect", async () => {
  await using world = await full();
  const acts: ((folder: string) => void)[] = [
    (folder) => appendFileSync(join(folder, "d0/f0"), "by hand"),
    (folder) => writeFileSync(join(folder, "d1/added"), "by hand"),
    (folder) => rmSync(join(folder, "d2"), { recursive: true, force: true }),
    (folder) => writeFileSync(join(folder, "d3/part"), "by hand"),
    (folder) => renameSync(join(folder, "d3/part"), join(folder, "d3/f3")),
  ];
  for (const act of acts) {
    act(world.live);
    // `run` compares what it gets with the workspace.
    for (const text of ["a", "b", "c"]) await run(world, ({ out }) => writeFileSync(join(out, "run"), text));
  }
  const before = contentsOf(world.live);
  appendFileSync(join(world.root, "s/u/out/d0/f0"), "in the copy");
  await run(world, () => undefined);
  expect(contentsOf(world.live)).toEqual(before);
});

const act = fc.record({
  what: fc.constantFrom("write", "append", "remove", "rename", "mkdir", "rmdir", "link", "through", "hand", "undo"),
  file: fc.nat(20),
  other: fc.nat(20),
});

it("after any runs, edits and undos a run gets what the workspace has, and leaves what it made", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(act, { maxLength: 3 }), { minLength: 2, maxLength: 6 }), async (runs) => {
      await using world = await full();
      for (const acts of runs) {
        for (const one of acts.filter(({ what }) => what === "hand")) apply("append", world.live, world.live, one);
        if (acts.some(({ what }) => what === "undo")) {
          await using lock = await world.store.lock({ userId: "u" });
          await world.store.undo(lock, { durable: false, withEdits: true });
        }
        const { prepared } = await run(world, ({ out, work }) => {
          for (const one of acts) apply(one.what, out, work, one);
        });
        expect(contentsOf(world.live)).toEqual(contentsOf(prepared.out));
      }
    }),
    { numRuns: count(12, 200) },
  );
});

function apply(what: string, out: string, work: string, { file, other }: { file: number; other: number }): void {
  const [a, b] = [join(out, `d${file % FOLDERS}/f${file}`), join(out, `d${other % FOLDERS}/f${other}`)];
  try {
    if (what === "write") writeFileSync(a, `${other}`);
    else if (what === "append") appendFileSync(a, `${other}`);
    else if (what === "remove") unlinkSync(a);
    else if (what === "rename") renameSync(a, b);
    else if (what === "mkdir") mkdirSync(join(out, `m${file % 3}/n${other % 3}`), { recursive: true });
    else if (what === "rmdir") rmSync(join(out, `m${file % 3}`), { recursive: true });
    else if (what === "link") linkSync(a, `${b}-linked`);
    else if (what === "through") {
      linkSync(a, join(work, `x${other}`));
      appendFileSync(join(work, `x${other}`), `${other}`);
      if (other % 2 === 0) unlinkSync(join(work, `x${other}`));
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
