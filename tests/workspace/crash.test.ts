// kill -9 at every step of a run, and at random moments: the workspace is one whole version, and the next run works.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { WorkspaceStore } from "../../src/workspace/store.js";
import { listVersions } from "../../src/workspace/version-folder.js";
import { tempDir } from "../support/temp.js";
import { Child } from "./fixtures/child.js";
import { contentsOf, contentsOfVersion, owner } from "./fixtures/world.js";

const PYTHON = "/usr/bin/python3";
const worker = (...args: (string | number)[]) => new Child("commit-worker.ts", args.map(String));

/** The version a live tree holds; fails where it is a mixture. */
const versionOf = (live: string): number => versionIn(contentsOf(live));

function versionIn(contents: Record<string, string>): number {
  if (Object.keys(contents).length === 0) return 0;
  const version = Number(contents.f0);
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, number) => [`f${number}`, String(version)]));
  const only = `only-${version}/`;
  expect(contents).toEqual({ ...files, [only]: "", [`${only}deeper/`]: "", [`${only}deeper/file`]: String(version) });
  return version;
}

/** The same while a worker goes on exchanging trees, told by one file: reading several, one by one, would mix two versions. */
function versionSeen(live: string): number {
  try {
    return Number(readFileSync(join(live, "f0"), "utf8"));
  } catch {
    return 0;
  }
}

async function heal(root: string): Promise<void> {
  await using store = await WorkspaceStore.open({
    workspaceRoot: join(root, "w"),
    sandboxRoot: join(root, "s"),
    owner,
  });
  await using lock = await store.lock({ userId: "u" });
  expect(lock.dirName).toBe("u");
}

/** Each version has one name, the tree it says, and the newest is the live one. */
function expectVersions(root: string): void {
  const versions = listVersions(join(root, "w/.iso-runtime/versions/u"));
  const numbers = versions.map(({ record }) => record.number);
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
  for (const { record, kept } of versions.slice(0, -1)) {
    expect(kept, record.id).toBe(true);
    expect(record.id).toBe(`${String(record.number).padStart(8, "0")}.${record.runId ?? "start"}`);
    expect(`run-${versionIn(contentsOfVersion(root, record.id))}`, record.id).toBe(record.runId ?? "run-0");
  }
  expect(versions.at(-1)).toMatchObject({ record: { runId: `run-${versionOf(join(root, "w/u/out"))}` } });
}

function expectTidy(root: string): void {
  for (const place of [
    "w/.iso-runtime/staging",
    "w/.iso-runtime/trash",
    "s/.iso-runtime/trash",
    "s/.iso-runtime/building",
  ]) {
    expect(readdirSync(join(root, place)), place).toEqual([]);
  }
  expect(readdirSync(join(root, "w"))).toEqual([".iso-runtime", "u"]);
}

describe.each([
  ["an exchange", PYTHON],
  ["two renames", ""],
])("a kill at every step, with %s", (_, python) => {
  it("leaves the old tree or the new one", { timeout: 180_000 }, async () => {
    const root = tempDir();
    const live = join(root, "w/u/out");
    expect(await worker(root, python, 0, 1, 1).ended).toBe(0);
    let current = versionOf(live);
    expect(current).toBe(1);
    const seen: string[] = [];
    for (let step = 1; ; step++) {
      const child = worker(root, python, step, 1, current + 1);
      const ended = await child.ended;
      if (ended === 0) break;
      expect(ended, child.errors).toBe("SIGKILL");
      const name = await child.line();
      seen.push(name);
      // Without an exchange there is one moment without a live tree, which the next lock ends.
      expect(existsSync(live), name).toBe(name !== "commit.gap");
      if (existsSync(live)) expect([current, current + 1], name).toContain(versionOf(live));
      await heal(root);
      const after = versionOf(live);
      expect(after, name).toBe(current + (seen.includes("commit.gap") || seen.includes("commit.placed") ? 1 : 0));
      current = after;
      expectTidy(root);
      expectVersions(root);
    }
    // Versions that a kill left unpruned are pruned one by one later.
    expect([...new Set(seen)]).toEqual([
      ...["lock.taken", "bootstrap.built", "bootstrap.old-moved-away", "bootstrap.placed"],
      ...["commit.begun", "commit.built", "commit.recorded", "commit.ready"],
      ...(python === "" ? ["commit.gap"] : []),
      ...["commit.placed", "commit.old-kept", "commit.versioned", "commit.old-moved-away", "commit.pruned"],
    ]);
    expect(versionOf(live)).toBe(current + 1);
    expectTidy(root);
    expectVersions(root);
  });
});

it("a kill at every step gives a newcomer a whole first version or none", { timeout: 180_000 }, async () => {
  const seen: string[] = [];
  for (let step = 1; ; step++) {
    const root = tempDir();
    const child = worker(root, PYTHON, step, 1, 1);
    const ended = await child.ended;
    if (ended === 0) break;
    seen.push(await child.line());
    await heal(root);
    const placed = seen.includes("commit.gap") || seen.includes("commit.placed");
    const live = join(root, "w/u/out");
    expect(existsSync(live) ? versionOf(live) : 0, seen.at(-1)).toBe(placed ? 1 : 0);
    const ids = listVersions(join(root, "w/.iso-runtime/versions/u")).map(({ record }) => record.id);
    const started = seen.includes("commit.before-recorded");
    expect(ids, seen.at(-1)).toEqual([...(started ? ["00000000.start"] : []), ...(placed ? ["00000001.run-1"] : [])]);
  }
  expect(seen).toContain("commit.versioned");
});

it("a kill at every step of an undo leaves the state before it or after it, as a version with a name", {
  timeout: 180_000,
}, async () => {
  const root = tempDir();
  const live = join(root, "w/u/out");
  expect(await worker(root, PYTHON, 0, 2, 1).ended).toBe(0);
  const seen: string[] = [];
  for (let step = 1; ; step++) {
    const before = versionOf(live);
    const child = worker(root, PYTHON, step, 0, 0, "undo");
    const ended = await child.ended;
    if (ended === 0) break;
    expect(ended, child.errors).toBe("SIGKILL");
    seen.push(await child.line());
    await heal(root);
    // An undo of an undo is back where it began.
    expect(versionOf(live), seen.at(-1)).toBe(seen.includes("commit.placed") ? 3 - before : before);
    const versions = listVersions(join(root, "w/.iso-runtime/versions/u"));
    const numbers = versions.map(({ record }) => record.number);
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
    expect(versions.map(({ kept }) => kept)).toEqual(numbers.map(() => true));
    const undos = seen.filter((_, at) => at >= seen.indexOf("commit.placed") && seen.includes("commit.placed"));
    expect(numbers.at(-1)).toBe(2 + undos.length);
    expectTidy(root);
  }
  expect([...new Set(seen)]).toEqual([
    ...["lock.taken", "commit.begun", "commit.built", "commit.recorded", "commit.ready", "commit.placed"],
    ...["commit.old-kept", "commit.versioned", "commit.old-moved-away", "commit.pruned"],
  ]);
});

it("kills at random moments leave one whole version", { timeout: 180_000 }, async () => {
  const root = tempDir();
  const live = join(root, "w/u/out");
  let current = 0;
  for (let round = 0; round < 8; round++) {
    const child = worker(root, PYTHON, 0, 1_000_000, current + 1);
    while (versionSeen(live) <= current) await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    await child.kill();
    const found = versionOf(live);
    expect(found).toBeGreaterThan(current);
    current = found;
  }
  await heal(root);
  expect(versionOf(live)).toBe(current);
  expectTidy(root);
  expectVersions(root);
});

it("a live tree is there at every instant while versions are exchanged", { timeout: 60_000 }, async () => {
  const root = tempDir();
  const live = join(root, "w/u/out");
  const child = worker(root, PYTHON, 0, 150, 1);
  let over = false;
  void child.ended.then(() => {
    over = true;
  });
  while (!existsSync(join(live, "f0"))) await new Promise((resolve) => setTimeout(resolve, 5));
  let looks = 0;
  while (!over) {
    for (let look = 0; look < 200; look++) expect(existsSync(join(live, "f0"))).toBe(true);
    looks += 200;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(looks).toBeGreaterThan(1000);
  expect(await child.ended, child.errors).toBe(0);
  expect(versionOf(live)).toBe(150);
});
