// Random hostile trees against a simple model: what a run leaves is told of once, what may stay is in the workspace byte for byte and in
// the next sandbox, and nothing else is anywhere.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { removeTree, Tree } from "../../src/safefs/tree.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";
import { owner, World } from "./fixtures/world.js";

type Plant =
  | { kind: "file"; text: string; mode: number; time: number }
  | { kind: "hole"; size: number }
  | { kind: "dir"; mode: number; children: [string, Plant][] }
  | { kind: "link"; target: string }
  | { kind: "twin" }
  | { kind: "fifo" };

/** Names as latin1, so that any byte but "/" and NUL may stand in one. */
const NAME = fc
  .oneof(
    fc.constantFrom(
      "a",
      "A",
      "logs",
      ".iso-runtime",
      "ready",
      "links",
      "..a",
      "...",
      "-rf",
      "\xff\xfe",
      "\xc3\xa9",
      "e\xcc\x81",
      "a\nb",
      "\x1b[2J",
    ),
    fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 255,
    }),
  )
  .filter((name) => !name.includes("/") && name !== "." && name !== "..");
const MODE = fc.constantFrom(0, 0o100, 0o200, 0o400, 0o644, 0o755, 0o4755, 0o2777, 0o1777);
const TARGET = fc.constantFrom(
  "/etc/passwd",
  "..",
  "../..",
  "a",
  "a/b",
  "./a",
  "logs",
  "../../../../../etc",
  "a/../../x",
  ".",
  "nowhere",
  "//",
);
const TIME = fc.constantFrom(-2_000_000_000, 0, 1, 1_800_000_000, 16_000_000_000);

const { plants } = fc.letrec<{ plant: Plant; plants: [string, Plant][] }>((tie) => ({
  plants: fc.uniqueArray(fc.tuple(NAME, tie("plant")), { selector: ([name]) => name, maxLength: 6 }),
  plant: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.record({ kind: fc.constant("file" as const), text: fc.string({ maxLength: 20 }), mode: MODE, time: TIME }),
    fc.record({ kind: fc.constant("hole" as const), size: fc.integer({ min: 1, max: 2 ** 21 }) }),
    fc.record({ kind: fc.constant("link" as const), target: TARGET }),
    fc.record({ kind: fc.constant("twin" as const) }),
    fc.record({ kind: fc.constant("fifo" as const) }),
    fc.record({ kind: fc.constant("dir" as const), mode: MODE, children: tie("plants") }),
  ),
}));

const pathOf = (dir: Buffer, name: string) => Buffer.concat([dir, Buffer.from("/"), Buffer.from(name, "latin1")]);

/** Makes the tree as the sandbox's owner would have, and returns its regular files by path in latin1. */
function plant(dir: Buffer, children: [string, Plant][], prefix = "", files = new Map<string, Buffer>()) {
  for (const [name, what] of children) {
    const path = pathOf(dir, name);
    const shown = `${prefix}${name}`;
    if (what.kind === "dir") {
      mkdirSync(path);
      plant(path, what.children, `${shown}/`, files);
      chmodSync(path, what.mode);
    } else if (what.kind === "link") symlinkSync(what.target, path);
    else if (what.kind === "fifo") spawnSync("/usr/bin/python3", ["-I", "-c", FIFO, path.toString("latin1")]);
    else if (what.kind === "twin") {
      const first = [...files.keys()][0];
      if (first === undefined) continue;
      try {
        linkSync(Buffer.concat([ROOT.dir, Buffer.from(`/${first}`, "latin1")]), path);
      } catch {
        // As an ordinary user, where the first name lies in a closed folder.
        continue;
      }
      files.set(shown, files.get(first) ?? Buffer.alloc(0));
    } else {
      writeFileSync(path, what.kind === "file" ? what.text : "");
      if (what.kind === "hole") truncateSync(path, what.size);
      files.set(shown, readFileSync(path));
      if (what.kind === "hole") continue;
      chmodSync(path, what.mode);
      utimesSync(path, new Date(what.time * 1000), new Date(what.time * 1000));
    }
  }
  return files;
}

const FIFO = "import os, sys; os.mkfifo(sys.argv[1].encode('latin1'))";
/** Where the tree that is being planted begins. */
const ROOT = { dir: Buffer.alloc(0) };

function plantIn(out: string, children: [string, Plant][]): Map<string, Buffer> {
  ROOT.dir = Buffer.from(out);
  return plant(ROOT.dir, children);
}

/** Everything in a tree by path in latin1, read through the door that is tested elsewhere. */
async function contents(dir: string): Promise<Map<string, string>> {
  using tree = Tree.open(dir);
  const found = new Map<string, string>();
  for await (const { kind, path, mode } of tree.walk()) {
    const what =
      kind === "file"
        ? tree.readFile(path, 2 ** 22).toString("latin1")
        : kind === "link"
          ? `-> ${tree.readLink(path)}`
          : kind;
    found.set(path.toString("latin1"), `${kind === "link" ? "" : `${mode.toString(8)} `}${what}`);
  }
  return found;
}

const bytesOf = (entry: { path: string; pathBase64?: string | undefined }) =>
  (entry.pathBase64 === undefined ? Buffer.from(entry.path) : Buffer.from(entry.pathBase64, "base64")).toString(
    "latin1",
  );
const isReserved = (path: string) => path === "logs" || path.startsWith("logs/");

it("a run's tree, whatever it is, comes back as the model says", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(plants, plants, async (first, second) => {
      await using world = await World.open();
      let files = new Map<string, Buffer>();
      const one = await world.run(({ out }) => {
        files = plantIn(out, first);
      });
      expect(one.synced).toMatchObject({ synced: true });
      const live = await contents(world.live);
      // Every regular file is kept, byte for byte, but those at the host's own place.
      const kept = [...live].filter(([, what]) => /^(644|755) (?!dir$)/.test(what));
      for (const [path, bytes] of files) {
        if (isReserved(path)) expect(live.has(path)).toBe(false);
        else expect(live.get(path)?.replace(/^\d+ /, "")).toBe(bytes.toString("latin1"));
      }
      // Every other entry that is no folder is told of: created or skipped, once.
      const { created, skipped } = one.diff.changes;
      const told = [...created, ...skipped].map(bytesOf);
      expect(new Set(told).size).toBe(told.length);
      for (const path of files.keys()) expect(told).toContain(path);
      for (const entry of skipped) expect(live.has(bytesOf(entry)) && !isReserved(bytesOf(entry))).toBe(false);
      for (const entry of created) expect(live.has(bytesOf(entry))).toBe(true);
      expect(kept.length).toBe([...files.keys()].filter((path) => !isReserved(path)).length);

      // A run that does nothing finds the workspace in its sandbox, and changes nothing.
      const idle = await world.run(async ({ out }) => expect(await contents(out)).toEqual(live));
      expect(idle.diff.totals).toMatchObject({ created: 0, modified: 0, deleted: 0, skipped: 0 });
      expect(await contents(world.live)).toEqual(live);

      // Another tree in its place: all of the old one is gone, all of the new one is there.
      const two = await world.run(async ({ out }) => {
        for (const name of readdirSync(out, { encoding: "buffer" })) {
          using tree = Tree.open(out);
          await tree.remove(name);
        }
        files = plantIn(out, second);
        if (owner.uid !== process.getuid?.()) chownSync(out, owner.uid, owner.gid);
      });
      expect(two.synced).toMatchObject({ synced: true });
      const after = await contents(world.live);
      for (const [path, bytes] of files)
        if (!isReserved(path)) expect(after.get(path)?.replace(/^\d+ /, "")).toBe(bytes.toString("latin1"));
      const gone = new Set(two.diff.changes.deleted.map(bytesOf));
      for (const [path, what] of live)
        if (!after.has(path) && !what.endsWith(" dir")) expect(gone.has(path), path).toBe(true);
    }),
    { numRuns: count(60, 3_000) },
  );
});

it("a hand-made workspace of any kind is copied without what no sandbox gets, and stays", {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(plants, async (children) => {
      await using world = await World.open();
      await world.run(() => undefined);
      const files = plantIn(world.live, children);
      const before = await contents(world.live);
      const { diff, synced } = await world.run(async ({ out }) => {
        const seen = await contents(out);
        for (const path of files.keys()) expect(seen.has(path)).toBe(!isReserved(path));
        for (const what of seen.values()) expect(what).not.toMatch(/ (fifo|socket|device)$|^-> \//);
        writeFileSync(join(out, "\u{1f600}"), "new");
      });
      expect(synced).toMatchObject({ synced: true });
      expect(diff.changes.created.map(({ path }) => path)).toEqual(["\u{1f600}"]);
      const after = await contents(world.live);
      expect([...after.keys()].filter((path) => !before.has(path))).toHaveLength(1);
      expect([...before.keys()].filter((path) => !after.has(path))).toEqual([]);
    }),
    { numRuns: count(40, 2_000) },
  );
});

it("a tree of any kind can be removed, and nothing beside it", { timeout: 600_000 }, async () => {
  const root = tempDir();
  mkdirSync(join(root, "beside"));
  writeFileSync(join(root, "beside/kept"), "x");
  await fc.assert(
    fc.asyncProperty(plants, async (children) => {
      mkdirSync(join(root, "doomed"));
      plantIn(join(root, "doomed"), children);
      await removeTree(join(root, "doomed"));
      expect(readdirSync(root, { recursive: true }).sort()).toEqual(["beside", "beside/kept"]);
    }),
    { numRuns: count(60, 3_000) },
  );
});
