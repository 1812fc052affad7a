// The copy that is made after a run for the next one: the same as one made when it is needed, whatever happened to the workspace meanwhile.
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { count } from "../support/soak.js";
import { contentsOf, owner, type Ran, World } from "./fixtures/world.js";

/** Names of copies that wait. */
const waiting = ({ root }: World): string[] =>
  readdirSync(join(root, "s/.iso-runtime/building")).filter((name) => name.includes(".ahead."));

async function made(world: World): Promise<string> {
  const [name] = await vi.waitFor(() => {
    const found = waiting(world);
    expect(found).toHaveLength(1);
    return found;
  });
  const path = join(world.root, "s/.iso-runtime/building", name ?? "");
  // Whole when the folder has its own time: the last thing that is done to it.
  await vi.waitFor(() => expect(contentsOf(path)).toEqual(contentsOf(world.live)));
  await sleep(5);
  return path;
}

const inodeOf = async (path: string) => (await lstat(path, { bigint: true })).ino;
const writes =
  (files: Record<string, string>) =>
  ({ out }: Ran["prepared"]) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(out, name), text);
  };

it("is the next run's out/, whose changes are told and kept as ever", async () => {
  await using world = await World.open();
  await world.run(({ out }) => {
    mkdirSync(join(out, "d/e"), { recursive: true });
    writeFileSync(join(out, "d/a"), "1");
    writeFileSync(join(out, "b"), "2");
    symlinkSync("d/a", join(out, "link"));
    chmodSync(join(out, "b"), 0o755);
  });
  const ino = await inodeOf(await made(world));
  const { diff } = await world.run(async (prepared) => {
    expect(await inodeOf(prepared.out)).toBe(ino);
    expect(contentsOf(prepared.out)).toEqual({ b: "2", "d/": "", "d/a": "1", "d/e/": "", link: "-> d/a" });
    expect(Number((await lstat(join(prepared.out, "b"))).mode & 0o111)).toBeGreaterThan(0);
    for (const path of ["", "b", "d", "d/a"]) expect(await lstat(join(prepared.out, path))).toMatchObject(owner);
    writes({ b: "3" })(prepared);
  });
  expect(diff.changes).toMatchObject({ created: [], modified: [{ path: "b" }], deleted: [] });
  expect(waiting(world)).toEqual([]);
  expect(await readFile(join(world.live, "b"), "utf8")).toBe("3");
});

it.each<[string, (live: string) => void]>([
  [
    "was written to, with its times set back",
    (live) => {
      writeFileSync(join(live, "a"), "x");
      utimesSync(join(live, "a"), 1, 1);
    },
  ],
  ["has another file", (live) => writeFileSync(join(live, "new"), "")],
  ["has one less", (live) => rmSync(join(live, "a"))],
  ["has a file of another name", (live) => renameSync(join(live, "a"), join(live, "z"))],
  [
    "has another file of the same name",
    (live) => {
      writeFileSync(join(live, ".a"), "1");
      renameSync(join(live, ".a"), join(live, "a"));
    },
  ],
])("is not had where the workspace %s", async (_, act) => {
  await using world = await World.open();
  await world.run(writes({ a: "1", b: "2" }));
  const ino = await inodeOf(await made(world));
  act(world.live);
  const expected = contentsOf(world.live);
  await world.run(async ({ out }) => {
    expect(await inodeOf(out)).not.toBe(ino);
    expect(contentsOf(out)).toEqual(expected);
  });
});

it("is not had where its bytes are others, whatever the times say", async () => {
  await using world = await World.open();
  await world.run(writes({ a: "1", b: "2" }));
  const copy = await made(world);
  writeFileSync(join(copy, "b"), "x");
  await world.run(({ out }) => expect(contentsOf(out)).toEqual({ a: "1", b: "2" }));
});

it("is not had by another owner", async () => {
  if (process.getuid?.() !== 0) return;
  await using world = await World.open();
  await world.run(writes({ a: "1" }));
  const ino = await inodeOf(await made(world));
  await using lock = await world.store.lock({ userId: "u" });
  const other = { uid: owner.uid + 1, gid: owner.gid + 1 };
  const prepared = await world.store.bootstrap(lock, "other", other);
  expect(await inodeOf(prepared.out)).not.toBe(ino);
  expect(await lstat(join(prepared.out, "a"))).toMatchObject(other);
});

it("is not made of what is large or many, or has large holes", async () => {
  await using world = await World.open();
  await world.run(({ out }) => {
    writeFileSync(join(out, "a"), "");
    truncateSync(join(out, "a"), 2 ** 30);
  });
  await sleep(80);
  expect(waiting(world)).toEqual([]);
  await world.run(writes({ a: "x".repeat(2 * 1024 ** 2) }));
  await sleep(80);
  expect(waiting(world)).toEqual([]);
  await world.run(({ out }) => {
    rmSync(join(out, "a"));
    for (let n = 0; n < 80; n += 1) writeFileSync(join(out, String(n)), "");
  });
  await sleep(80);
  expect(waiting(world)).toEqual([]);
});

it("is gone when the store is closed, and its making is over then", async () => {
  const world = await World.open();
  await world.run(writes({ a: "1" }));
  await made(world);
  await world.run(writes({ a: "2" }));
  await sleep(20);
  await world.store.close();
  expect(readdirSync(join(world.root, "s/.iso-runtime/building"))).toEqual([]);
});

it("whatever was done meanwhile, a run has what the workspace has", { timeout: 120_000 }, async () => {
  const name = fc.constantFrom("a", "b", "d/c", "d/e");
  const act = fc.record({ what: fc.constantFrom("write", "append", "remove", "rename", "link"), name, other: name });
  const between = fc.record({ waits: fc.boolean(), acts: fc.array(act, { maxLength: 2 }), undo: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(between, { minLength: 2, maxLength: 5 }), async (rounds) => {
      await using world = await World.open();
      await world.run(({ out }) => {
        mkdirSync(join(out, "d"));
        writes({ a: "a", b: "b", "d/c": "c", "d/e": "e" })({ out } as Ran["prepared"]);
      });
      for (const [round, { waits, acts, undo }] of rounds.entries()) {
        if (waits) await sleep(40);
        for (const one of acts) apply(world.live, one);
        if (undo) {
          await using lock = await world.store.lock({ userId: "u" });
          await world.store.undo(lock, { durable: false, withEdits: true });
          if (waits) await sleep(40);
        }
        const expected = contentsOf(world.live);
        let left = {};
        await world.run((prepared) => {
          expect(contentsOf(prepared.out)).toEqual(expected);
          writes({ a: `${round}` })(prepared);
          left = contentsOf(prepared.out);
        });
        expect(contentsOf(world.live)).toEqual(left);
      }
    }),
    { numRuns: count(30, 300) },
  );
});

function apply(live: string, { what, name, other }: { what: string; name: string; other: string }): void {
  const [a, b] = [join(live, name), join(live, other)];
  try {
    if (what === "write") writeFileSync(a, other);
    else if (what === "append") appendFileSync(a, other);
    else if (what === "remove") rmSync(a);
    else if (what === "rename") renameSync(a, b);
    else linkSync(a, `${b}-linked`);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
