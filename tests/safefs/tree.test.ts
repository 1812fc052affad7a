// The door to a sandbox's files: nothing is followed, nothing blocks, nothing is out of reach.
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Entry, removeTree, SafeFsError, Tree } from "../../src/safefs/tree.js";
import { tempDir } from "../support/temp.js";

function reasonOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof SafeFsError) return error.reason;
    throw error;
  }
  return "nothing thrown";
}

async function all(tree: Tree, options?: Parameters<Tree["walk"]>[0]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of tree.walk(options)) entries.push(entry);
  return entries;
}

const paths = async (tree: Tree) => (await all(tree)).map((entry) => entry.path.toString());

function openTree(): { dir: string; tree: Tree } {
  const dir = tempDir();
  return { dir, tree: Tree.open(dir) };
}

describe("paths", () => {
  it.each(["", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "..", "a/../b", "a\0b"])("refuses %j", (path) => {
    using tree = openTree().tree;
    for (const act of [
      () => tree.stat(path),
      () => tree.openFile(path),
      () => tree.readLink(path),
      () => tree.writeFile(path, "x"),
      () => tree.makeDir(path),
    ]) {
      expect(reasonOf(act)).toBe("invalid_path");
    }
  });

  it("writes a file anew in its place, and never through a link or another name", () => {
    const dir = tempDir();
    using opened = Tree.open(dir);
    writeFileSync(join(dir, "f"), "a longer text");
    const { ino } = lstatSync(join(dir, "f"));
    expect(opened.rewriteFile("f", "short")).toBe(true);
    expect([readFileSync(join(dir, "f"), "utf8"), lstatSync(join(dir, "f")).ino]).toEqual(["short", ino]);
    linkSync(join(dir, "f"), join(dir, "again"));
    symlinkSync(join(dir, "again"), join(dir, "link"));
    for (const name of ["f", "link"]) expect(() => opened.rewriteFile(name, "x"), name).toThrow();
    expect(opened.rewriteFile("absent", "x")).toBe(false);
    expect(readdirSync(dir).sort()).toEqual(["again", "f", "link"]);
    expect(readFileSync(join(dir, "f"), "utf8")).toBe("short");
  });

  it("never reach outside, whatever they are made of", () => {
    const { dir, tree } = openTree();
    mkdirSync(join(dir, "in"));
    writeFileSync(join(dir, "secret"), "secret");
    using inner = Tree.open(join(dir, "in"));
    tree.close();
    const part = fc.oneof(fc.constantFrom("..", ".", "", "secret", "in", "~", "*"), fc.string({ maxLength: 4 }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        try {
          inner.writeFile(parts.join("/"), "changed");
        } catch (error) {
          if (!(error instanceof SafeFsError)) throw error;
        }
        expect(readdirSync(dir).sort()).toEqual(["in", "secret"]);
        expect(readFileSync(join(dir, "secret"), "utf8")).toBe("secret");
      }),
      { numRuns: 1000 },
    );
  });
});

describe("reading", () => {
  it("reads, hashes and describes a file", async () => {
    const { dir, tree } = openTree();
    mkdirSync(join(dir, "a"));
    writeFileSync(join(dir, "a/b.txt"), "hello");
    using opened = tree;
    expect(opened.readFile("a/b.txt", 5).toString()).toBe("hello");
    expect(await opened.hashFile("a/b.txt")).toBe("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    expect(opened.stat("a/b.txt")).toMatchObject({ kind: "file", size: 5, nlink: 1 });
    expect(opened.stat("a")).toMatchObject({ kind: "dir" });
    for (const absent of ["b", "a/c", "a/b.txt/c", "x/y/z"]) expect(opened.stat(absent)).toBeNull();
  });

  it("refuses what is larger than asked for", async () => {
    const { dir, tree } = openTree();
    writeFileSync(join(dir, "big"), Buffer.alloc(100));
    using opened = tree;
    expect(reasonOf(() => opened.readFile("big", 99))).toBe("too_large");
    await expect(opened.hashFile("big", { maxBytes: 99 })).rejects.toMatchObject({ reason: "too_large" });
  });

  it("does not read terabytes of nothing", async () => {
    const { dir, tree } = openTree();
    writeFileSync(join(dir, "sparse"), "x");
    truncateSync(join(dir, "sparse"), 2 ** 40);
    using opened = tree;
    await expect(opened.hashFile("sparse")).rejects.toMatchObject({ reason: "too_large" });
    expect(await opened.measure()).toMatchObject({ entries: 1, bytes: lstatSync(join(dir, "sparse")).blocks * 512 });
  });

  it("follows no link, in the middle or at the end", () => {
    const { dir, tree } = openTree();
    mkdirSync(join(dir, "real"));
    writeFileSync(join(dir, "real/file"), "x");
    symlinkSync("real", join(dir, "dirlink"));
    symlinkSync("real/file", join(dir, "filelink"));
    symlinkSync("/etc/passwd", join(dir, "outside"));
    using opened = tree;
    expect(reasonOf(() => opened.openFile("filelink"))).toBe("link");
    expect(reasonOf(() => opened.openFile("outside"))).toBe("link");
    expect(reasonOf(() => opened.openFile("dirlink/file"))).toBe("link");
    expect(opened.stat("dirlink/file")).toBeNull();
    expect(opened.stat("dirlink")).toMatchObject({ kind: "link" });
    expect(opened.readLink("outside").toString()).toBe("/etc/passwd");
    expect(reasonOf(() => opened.readLink("real"))).toBe("not_regular");
  });

  it("does not open a root that is a link", () => {
    const dir = tempDir();
    symlinkSync("/etc", join(dir, "etc"));
    expect(reasonOf(() => Tree.open(join(dir, "etc")))).toBe("link");
    expect(reasonOf(() => Tree.open(join(dir, "absent")))).toBe("missing");
  });

  it("never blocks on a FIFO and opens no socket, device or directory", async () => {
    const { dir, tree } = openTree();
    execFileSync("mkfifo", [join(dir, "fifo")]);
    mkdirSync(join(dir, "dir"));
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(dir, "socket"), done));
    const device = spawnSync("mknod", [join(dir, "device"), "c", "1", "3"]).status === 0;
    using opened = tree;
    for (const name of ["fifo", "socket", "dir", ...(device ? ["device"] : [])]) {
      expect(
        reasonOf(() => opened.openFile(name)),
        name,
      ).toBe("not_regular");
      await expect(opened.hashFile(name)).rejects.toMatchObject({ reason: "not_regular" });
    }
    const kinds = new Set((await all(opened)).map((entry) => entry.kind));
    expect(kinds).toEqual(new Set(["fifo", "socket", "dir", ...(device ? ["device" as const] : [])]));
    await new Promise((done) => server.close(done));
  });

  it("reads files and directories of mode 000 and leaves a file's mode as it was", async () => {
    const { dir, tree } = openTree();
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "d/f"), "x");
    chmodSync(join(dir, "d/f"), 0);
    chmodSync(join(dir, "d"), 0);
    using opened = tree;
    expect(opened.readFile("d/f", 10).toString()).toBe("x");
    expect(opened.stat("d/f")?.mode).toBe(0);
    expect(await paths(opened)).toEqual(["d", "d/f"]);
  });
});

describe("names", () => {
  it("come back unaltered, byte for byte, in byte order", async () => {
    const { dir, tree } = openTree();
    const names = ["-rf", "...", "..foo", "a\nb", "é", "e\u0301", "A", "a", "\x1b[31m", "n".repeat(255)].map((name) =>
      Buffer.from(name),
    );
    names.push(Buffer.from([0xff, 0xfe, 0x41]), Buffer.from([0xc3]));
    const base = Buffer.from(`${dir}/`);
    for (const name of names) writeFileSync(Buffer.concat([base, name]), name);
    using opened = tree;
    const found = (await all(opened)).map((entry) => entry.path);
    expect(found).toEqual([...names].sort(Buffer.compare));
    for (const name of names) {
      expect(opened.readFile(name, 300)).toEqual(name);
      expect(await opened.hashFile(name)).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});

describe("walking", () => {
  it("yields parents before children, skips and stops where it is told to", async () => {
    const { dir, tree } = openTree();
    for (const path of ["a/b", "c/d"]) mkdirSync(join(dir, path), { recursive: true });
    for (const path of ["a/b/f", "c/d/f"]) writeFileSync(join(dir, path), "x");
    using opened = tree;
    expect(await paths(opened)).toEqual(["a", "a/b", "a/b/f", "c", "c/d", "c/d/f"]);
    const skipping = await all(opened, { skip: (path) => path.toString() === "a" });
    expect(skipping.map((entry) => entry.path.toString())).toEqual(["a", "c", "c/d", "c/d/f"]);
    expect(await all(opened, { maxEntries: 4 })).toHaveLength(4);
    expect(await opened.measure({ maxEntries: 2 })).toMatchObject({ entries: 3 });
  });

  it("goes 3000 levels down and up again, far beyond PATH_MAX, with few descriptors", async () => {
    const { dir, tree } = openTree();
    const name = "d".repeat(100);
    using opened = tree;
    opened.makeDir(Array.from({ length: 3000 }, () => name).join("/"));
    const deepest = Buffer.from(Array.from({ length: 3000 }, () => name).join("/"));
    opened.writeFile(Buffer.concat([deepest, Buffer.from("/f")]), "deep");
    let most = 0;
    let count = 0;
    for await (const entry of opened.walk()) {
      count += 1;
      if (count % 100 === 0) most = Math.max(most, readdirSync("/proc/self/fd").length);
      if (count === 3001) expect(entry.path.length).toBe(deepest.length + 2);
    }
    expect(count).toBe(3001);
    expect(most).toBeLessThan(200);
    expect(await opened.measure()).toMatchObject({ entries: 3001 });
    expect(opened.readFile(Buffer.concat([deepest, Buffer.from("/f")]), 10).toString()).toBe("deep");
    await opened.remove(name);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("stays inside when a directory is swapped for a link under its feet", async () => {
    const { dir, tree } = openTree();
    const outside = join(tempDir(), "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "secret"), "x");
    mkdirSync(join(dir, "a/b"), { recursive: true });
    mkdirSync(join(dir, "z"));
    using opened = tree;
    const seen: string[] = [];
    for await (const entry of opened.walk()) {
      seen.push(entry.path.toString());
      if (entry.path.toString() !== "a") continue;
      renameSync(join(dir, "a"), join(outside, "moved"));
      symlinkSync(outside, join(dir, "a"));
    }
    expect(seen).toEqual(["a", "z"]);
  });

  it("survives a directory moved away while deep inside it", async () => {
    const { dir, tree } = openTree();
    const outside = tempDir();
    using opened = tree;
    opened.makeDir(Array.from({ length: 100 }, (_, level) => `l${level}`).join("/"));
    opened.makeDir("z");
    const seen: string[] = [];
    for await (const entry of opened.walk()) {
      seen.push(entry.name.toString());
      if (entry.name.toString() === "l99") renameSync(join(dir, "l0/l1"), join(outside, "l1"));
    }
    expect(seen.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, level) => `l${level}`));
    expect(seen.at(-1)).toBe("z");
  });

  it("calls a directory lost that was moved away before all of it was seen", async () => {
    const { dir, tree } = openTree();
    const outside = tempDir();
    using opened = tree;
    opened.makeDir(Array.from({ length: 100 }, (_, level) => `l${level}`).join("/"));
    for (const path of ["l0/z", "l0/l1/unseen"]) opened.makeDir(path);
    const seen: string[] = [];
    const lost: string[] = [];
    for await (const entry of opened.walk({ onLost: (lostOne) => lost.push(lostOne.name.toString()) })) {
      seen.push(entry.name.toString());
      if (entry.name.toString() !== "l99") continue;
      renameSync(join(dir, "l0/l1/l2"), join(outside, "l2"));
      renameSync(join(dir, "l0/l1"), join(outside, "l1"));
    }
    expect(lost).toEqual(["l2", "l1"]);
    expect([seen.at(-1), seen.includes("unseen")]).toEqual(["z", false]);
  });

  it("counts the bytes of a file with several names once", async () => {
    const { dir, tree } = openTree();
    writeFileSync(join(dir, "a"), Buffer.alloc(1 << 20, 1));
    execFileSync("ln", [join(dir, "a"), join(dir, "b")]);
    using opened = tree;
    expect(await opened.measure()).toEqual({ entries: 2, bytes: lstatSync(join(dir, "a")).blocks * 512 });
  });
});

describe("writing", () => {
  it("makes parents, replaces whole files and keeps nothing beside them", async () => {
    const { dir, tree } = openTree();
    using opened = tree;
    opened.writeFile("a/b/c", "one", { mode: 0o600 });
    opened.writeFile("a/b/c", "two");
    expect(readFileSync(join(dir, "a/b/c"), "utf8")).toBe("two");
    expect(lstatSync(join(dir, "a/b/c")).mode & 0o7777).toBe(0o644);
    expect(readdirSync(join(dir, "a/b"))).toEqual(["c"]);
    expect(reasonOf(() => opened.writeFile("a/b/c", "three", { exclusive: true }))).toBe("exists");
    expect(reasonOf(() => opened.writeFile("a/b", "three"))).toBe("exists");
    expect(readdirSync(join(dir, "a"))).toEqual(["b"]);
    expect(reasonOf(() => opened.writeFile("a/b/c/d", "three"))).toBe("not_directory");
  });

  it("never writes through a link", () => {
    const { dir, tree } = openTree();
    const outside = join(tempDir(), "target");
    writeFileSync(outside, "untouched");
    symlinkSync(outside, join(dir, "f"));
    symlinkSync(join(outside, ".."), join(dir, "d"));
    using opened = tree;
    expect(reasonOf(() => opened.writeFile("f", "x", { exclusive: true }))).toBe("exists");
    expect(reasonOf(() => opened.writeFile("d/new", "x"))).toBe("link");
    expect(reasonOf(() => opened.makeDir("d/new"))).toBe("link");
    opened.writeFile("f", "replaced");
    expect(readFileSync(outside, "utf8")).toBe("untouched");
    expect(lstatSync(join(dir, "f")).isFile()).toBe(true);
  });

  it.runIf(process.getuid?.() === 0)("gives files and new parents to an owner", () => {
    const { dir, tree } = openTree();
    using opened = tree;
    opened.writeFile("a/f", "x", { owner: { uid: 4321, gid: 4322 } });
    for (const path of ["a", "a/f"]) expect(statSync(join(dir, path))).toMatchObject({ uid: 4321, gid: 4322 });
  });
});

describe("removing", () => {
  it("takes everything hostile away and nothing outside", async () => {
    const parent = tempDir();
    const dir = join(parent, "doomed");
    const outside = join(parent, "outside");
    mkdirSync(join(dir, "locked/inner"), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, "kept"), "x");
    symlinkSync(outside, join(dir, "link"));
    symlinkSync(outside, join(dir, "locked/inner/link"));
    execFileSync("mkfifo", [join(dir, "fifo")]);
    chmodSync(join(dir, "locked/inner"), 0);
    chmodSync(join(dir, "locked"), 0);
    chmodSync(dir, 0);
    await removeTree(dir);
    expect(existsSync(dir)).toBe(false);
    expect(readdirSync(outside)).toEqual(["kept"]);
    await removeTree(dir);
    await removeTree(join(parent, "no/such/folder"));
  });

  it("removes a link and not its target", async () => {
    const { dir, tree } = openTree();
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "d/f"), "x");
    symlinkSync("d", join(dir, "l"));
    using opened = tree;
    await opened.remove("l");
    await opened.remove("absent/too");
    await expect(opened.remove("d/f/x")).rejects.toMatchObject({ reason: "not_directory" });
    expect(await paths(opened)).toEqual(["d", "d/f"]);
    expect(() => readlinkSync(join(dir, "l"))).toThrow();
  });
});

it("leaves no descriptor open, whatever went wrong", async () => {
  const { dir, tree } = openTree();
  mkdirSync(join(dir, "a/b"), { recursive: true });
  symlinkSync("a", join(dir, "l"));
  const before = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 20; round++) {
    for (const path of ["a/b/c", "a/b", "l/b", "x/y"]) reasonOf(() => closeSync(tree.openFile(path)));
    for await (const _ of tree.walk()) break;
    reasonOf(() => tree.writeFile("l/x", "x"));
    await tree.remove("a/none");
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
  tree.close();
});
