// safefs against a program that turns its tree over all the time: whatever the moment, no byte from outside is read, written or removed,
// and every call comes to an end.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { copyToNewFile, sameBytes } from "../../src/safefs/content.js";
import { removeTree, SafeFsError, Tree } from "../../src/safefs/tree.js";
import { count } from "../support/soak.js";
import { tempDir } from "../support/temp.js";

const SECRET = "a secret of the host";
const isRoot = process.getuid?.() === 0;
const SWAPPER_UID = 4321;
const ROUNDS = count(300, 20_000);

/** Swaps files, folders and links in `sys.argv[1]` for one another, those of the folder `sys.argv[2]` among them, until it is killed. */
const SWAPPER = `
import itertools, os, random, sys
tree, outside = sys.argv[1:]
os.chdir(tree)
print("ready", flush=True)
deep = "deep/" + "/".join(f"l{n}" for n in range(40))
def swap(*acts):
    for act, *args in acts:
        try: act(*args)
        except OSError: pass
def write(path):
    with open(path, "w") as file: file.write("inside")
for turn in itertools.count():
    swap((os.mkdir, "d"), (write, "d/secret"), (os.mkdir, "d/sub"), (write, "d/sub/secret"), (write, "f"))
    swap((os.rename, "d", "moved"), (os.symlink, outside, "d"), (os.unlink, "d"), (os.rename, "moved", "d"))
    swap((os.unlink, "f"), (os.symlink, outside + "/secret", "f"), (os.unlink, "f"), (os.mkfifo, "f"), (os.unlink, "f"), (os.mkdir, "f"), (os.rmdir, "f"))
    swap((os.rename, "d/sub", "up"), (os.symlink, outside, "d/sub"), (os.unlink, "d/sub"), (os.rename, "up", "d/sub"))
    if turn % 10 == 0:
        swap((os.makedirs, deep), (os.rename, "deep/l0/l1", "deep/x"), (os.symlink, outside, "deep/l0/l1"), (os.unlink, "deep/l0/l1"), (os.rename, "deep/x", "deep/l0/l1"))
        swap((os.chmod, "d", 0), (os.chmod, "d", 0o755), (os.removedirs, deep))
`;

async function withSwapper(act: (dir: string, outside: string) => Promise<void>): Promise<void> {
  const root = tempDir();
  chmodSync(root, 0o755);
  const [dir, outside] = [join(root, "tree"), join(root, "outside")];
  for (const path of [dir, outside, join(outside, "sub")]) mkdirSync(path);
  for (const path of ["secret", "sub/secret"]) writeFileSync(join(outside, path), SECRET);
  // Two of them follow each other's links; so they are somebody who may not write there, where that can be had.
  if (isRoot) chownSync(dir, SWAPPER_UID, SWAPPER_UID);
  const swappers = (isRoot ? [1, 2] : [1]).map(() => startSwapper(dir, outside));
  await Promise.all(swappers.map((swapper) => once(swapper.stdout ?? swapper, "data")));
  try {
    await act(dir, outside);
    expect(swappers.filter(({ exitCode }) => exitCode !== null)).toEqual([]);
  } finally {
    await Promise.all(swappers.map(stop));
  }
  expect(readdirSync(outside, { recursive: true }).sort()).toEqual(["secret", "sub", "sub/secret"]);
  for (const path of ["secret", "sub/secret"]) expect(readFileSync(join(outside, path), "utf8")).toBe(SECRET);
}

function startSwapper(dir: string, outside: string): ChildProcess {
  const child = spawn("/usr/bin/python3", ["-I", "-c", SWAPPER, dir, outside], {
    stdio: ["ignore", "pipe", "inherit"],
    ...(isRoot && { uid: SWAPPER_UID, gid: SWAPPER_UID }),
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** What came of a call: its value, or the word of its refusal. Anything but a refusal is a failure. */
async function outcome<T>(act: () => T | Promise<T>): Promise<T | SafeFsError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SafeFsError) return error;
    throw error;
  }
}

describe("with a tree that is turned over", () => {
  it("reads and hashes only what is inside", async () => {
    await withSwapper(async (dir) => {
      using tree = Tree.open(dir);
      const seen = { read: 0, refused: 0 };
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const path of ["d/secret", "d/sub/secret", "f"]) {
          const found = await outcome(() => tree.readFile(path, 1000).toString());
          if (found instanceof SafeFsError) seen.refused += 1;
          else seen.read += 1;
          if (typeof found === "string") expect("inside").toContain(found);
          const linked = await outcome(() => tree.readLink(path));
          if (Buffer.isBuffer(linked)) expect(path).toBe("f");
        }
        await outcome(() => tree.hashFile("d/secret"));
      }
      // Both happen, or the swapper was not in the way.
      expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(0);
    });
  });

  it("walks and measures only what is inside, to the end", async () => {
    await withSwapper(async (dir, outside) => {
      const foreign = new Set(
        readdirSync(outside, { recursive: true, encoding: "utf8" }).map((path) => inodeOf(outside, path)),
      );
      using tree = Tree.open(dir);
      for (let round = 0; round < ROUNDS / 10; round += 1) {
        for await (const entry of tree.walk()) expect(foreign.has(entry.ino)).toBe(false);
        expect((await tree.measure()).entries).toBeLessThan(1000);
      }
    });
  });

  it("writes, makes and removes only what is inside", async () => {
    await withSwapper(async (dir) => {
      using tree = Tree.open(dir);
      let written = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const done = await outcome(() => tree.writeFile(`d/sub/new${round % 7}`, "host"));
        if (!(done instanceof SafeFsError)) written += 1;
        await outcome(() => tree.writeFile("f", "host"));
        await outcome(() => tree.makeDir("d/sub/made/below"));
        await outcome(() => tree.remove(round % 2 === 0 ? "d/sub" : "d"));
      }
      expect(written).toBeGreaterThan(0);
    });
  });

  it("copies and compares only what is inside", async () => {
    await withSwapper(async (dir) => {
      const target = tempDir();
      using tree = Tree.open(dir);
      let copied = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const source = await outcome(() => tree.openFile(round % 2 === 0 ? "d/secret" : "d/sub/secret"));
        if (source instanceof SafeFsError) continue;
        const copy = await copyToNewFile(
          source,
          { size: 6n, blocks: 8n, mode: 0o644n },
          Buffer.from(join(target, String(round))),
        );
        const text = Buffer.alloc(100);
        expect("inside").toContain(text.toString("utf8", 0, readSync(copy, text, 0, 100, 0)));
        const open = (fd: number) => ({ fd, stats: fstatSync(fd, { bigint: true }) });
        await sameBytes(open(source), open(copy));
        for (const fd of [source, copy]) closeSync(fd);
        copied += 1;
      }
      expect(copied).toBeGreaterThan(0);
    });
  });

  it("removes the whole tree once nobody is at it any more, and nothing else", async () => {
    await withSwapper(async (dir) => {
      for (let round = 0; round < 5; round += 1) {
        await outcome(() => removeTree(join(dir, "d")));
        await outcome(() => removeTree(join(dir, "deep")));
      }
    });
  });

  it("leaves no descriptor open", async () => {
    await withSwapper(async (dir) => {
      using tree = Tree.open(dir);
      const before = readdirSync("/proc/self/fd").length;
      for (let round = 0; round < 50; round += 1) {
        for await (const _ of tree.walk()) if (round % 3 === 0) break;
        const fd = await outcome(() => tree.openFile("d/secret"));
        if (typeof fd === "number") closeSync(fd);
        await outcome(() => tree.remove("d/sub"));
      }
      expect(readdirSync("/proc/self/fd").length).toBe(before);
    });
  });
});

it("ends with a file that grows while it is copied and hashed", async () => {
  const dir = tempDir();
  writeFileSync(join(dir, "log"), "x".repeat(100_000));
  const child = spawn(
    "/usr/bin/python3",
    [
      "-I",
      "-c",
      "import sys\nfile = open(sys.argv[1], 'ab', 0)\nprint('ready', flush=True)\nwhile file.tell() < 2**28: file.write(b'y' * 65536)",
      join(dir, "log"),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  using tree = Tree.open(dir);
  await outcome(() => tree.hashFile("log"));
  const fd = openSync(join(dir, "log"), "r");
  const copy = await copyToNewFile(fd, { size: 100_000n, blocks: 200n, mode: 0o600n }, Buffer.from(join(dir, "copy")));
  expect(readFileSync(join(dir, "copy"))).toEqual(Buffer.alloc(100_000, "x"));
  for (const open of [fd, copy]) closeSync(open);
  await stop(child);
});

function inodeOf(folder: string, path: string): bigint | undefined {
  using tree = Tree.open(folder);
  return tree.stat(path)?.ino;
}
