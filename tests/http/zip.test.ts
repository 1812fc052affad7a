// A workspace as a zip: what is in it comes out of it, whatever it is called; nothing else does, and nothing stays open.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { archiveName, openArchive } from "../../src/harness/workspace-archive.js";
import { createRuntime } from "../../src/index.js";
import { Tree } from "../../src/safefs/tree.js";
import { tempDir } from "../support/temp.js";
import { bed, problemIn } from "./bed.js";

const ZIP = "/v1/workspace/zip";
const READ = `
import io, json, sys, zipfile
zip = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))
assert zip.testzip() is None
print(json.dumps({"comment": zip.comment.decode(), "files": {i.filename: [i.file_size, oct(i.external_attr >> 16), zip.read(i)[:100].decode("latin1")] for i in zip.infolist()}}))
`;

async function withFiles() {
  const roots = tempDir();
  const runtime = await createRuntime({
    ...{ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), tools: { tools: [] }, warm: 0 },
  });
  onTestFinished(() => runtime.close());
  const out = join(roots, "w/alice/out");
  mkdirSync(join(out, "a/b"), { recursive: true });
  writeFileSync(join(out, "a/b/one.txt"), "one");
  writeFileSync(join(out, "a.txt"), "");
  return { ...bed({ runtime }), out, roots };
}

const unzipped = async (response: Response) => {
  expect(response.status).toBe(200);
  const input = Buffer.from(await response.arrayBuffer());
  return JSON.parse(execFileSync("python3", ["-c", READ], { input, encoding: "utf8", maxBuffer: 1 << 26 }));
};
const descriptors = () => readdirSync("/proc/self/fd").length;

describe("a workspace's zip", () => {
  it("has each file as it is, and no link, nor what one leads to", async () => {
    const { ask, out, roots } = await withFiles();
    writeFileSync(join(roots, "secret"), "outside");
    symlinkSync(join(roots, "secret"), join(out, "link"));
    symlinkSync(roots, join(out, "a/folder"));
    execFileSync("mkfifo", [join(out, "fifo")]);
    writeFileSync(join(out, "run.sh"), "x".repeat(3_000_000));
    chmodSync(join(out, "run.sh"), 0o755);
    const odd = Buffer.concat([Buffer.from(`${out}/bad-`), Buffer.from([0xff]), Buffer.from("-100%25")]);
    writeFileSync(odd, "odd");
    writeFileSync(join(out, "Größe 100%.txt"), "ä");
    writeFileSync(join(out, "..\\..\\up.txt"), "up");
    writeFileSync(join(out, "C:evil"), "c");
    const response = await ask(ZIP);
    expect(response.headers.get("Content-Disposition")).toBe('attachment; filename="workspace.zip"');
    expect(await unzipped(response)).toEqual({
      comment: "3 links and other entries that are no files are left out.",
      files: {
        "a/b/one.txt": [3, "0o100644", "one"],
        "a.txt": [0, "0o100644", ""],
        "run.sh": [3_000_000, "0o100755", "x".repeat(100)],
        "bad-%FF-100%2525": [3, "0o100644", "odd"],
        "Größe 100%.txt": [2, "0o100644", "Ã¤"],
        "..%5C..%5Cup.txt": [2, "0o100644", "up"],
        "C%3Aevil": [1, "0o100644", "c"],
      },
    });
  });

  it("is of a folder or a file where that is asked for, and of nothing else", async () => {
    const { ask, out } = await withFiles();
    writeFileSync(join(out, "a/bb"), "not in b");
    expect(Object.keys((await unzipped(await ask(`${ZIP}?path=a/b`))).files)).toEqual(["a/b/one.txt"]);
    expect(Object.keys((await unzipped(await ask(`${ZIP}?path=a.txt`))).files)).toEqual(["a.txt"]);
    const before = descriptors();
    for (const path of ["..", "/etc", "a/../..", "a/", "%00"]) {
      expect(await problemIn(await ask(`${ZIP}?path=${path}`)), path).toMatchObject({ status: 400, field: "path" });
    }
    for (const path of ["none", "a.txt/x", "a/b/one.txt/y"]) {
      expect(await problemIn(await ask(`${ZIP}?path=${path}`)), path).toMatchObject({ status: 404 });
    }
    expect((await ask(ZIP, { user: "bob" })).status).toBe(404);
    expect((await ask(`${ZIP}?workspace=other`)).status).toBe(404);
    expect(descriptors()).toBe(before);
  });

  it("of too much is refused before it begins", async () => {
    const { ask, out } = await withFiles();
    writeFileSync(join(out, "huge"), "");
    truncateSync(join(out, "huge"), 3 * 1024 ** 3);
    expect(await problemIn(await ask(ZIP))).toMatchObject({ status: 413, code: "too_large" });
    const few = { files: 2, bytes: 100 };
    rmSync(join(out, "huge"));
    (await openArchive(Tree.open(out), null, few))[Symbol.dispose]();
    writeFileSync(join(out, "third"), "");
    await expect(openArchive(Tree.open(out), null, few)).rejects.toMatchObject({ code: "too_large" });
  });

  it("closes all when its reader leaves, and takes no more readers at once than it can serve", async () => {
    const { ask, out } = await withFiles();
    writeFileSync(join(out, "a/big"), Buffer.alloc(8_000_000, "random?"));
    await (await ask(ZIP, { method: "HEAD" })).body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = descriptors();
    const readers: (ReadableStreamDefaultReader | undefined)[] = [];
    const hold = async (user: string) => {
      const reader = (await ask(ZIP, { user })).body?.getReader();
      await reader?.read();
      readers.push(reader);
    };
    for (const user of ["alice", "alice"]) await hold(user);
    expect(await problemIn(await ask(ZIP))).toMatchObject({ status: 429, code: "too_busy" });
    // One who reads slowly keeps nobody else from theirs.
    expect(await problemIn(await ask(ZIP, { user: "nobody" }))).toMatchObject({ status: 404 });
    for (const user of ["bob", "bob"]) {
      cpSync(join(out, "../../alice"), join(out, "../../bob"), { recursive: true });
      await hold(user);
    }
    expect(await problemIn(await ask(ZIP, { user: "carol" }))).toMatchObject({ status: 429, code: "too_busy" });
    for (const reader of readers) await reader?.cancel();
    await expect.poll(descriptors).toBe(before);
    expect(Object.keys((await unzipped(await ask(ZIP))).files)).toHaveLength(3);
  });

  it("closes what it opened once, when its reader leaves while it reads: a number may be another file's by then", async () => {
    const { ask, out, logged } = await withFiles();
    writeFileSync(join(out, "a/big"), randomBytes(3_000_000));
    for (let turn = 0; turn < 5; turn += 1) {
      const before = descriptors();
      const reader = (await ask(ZIP)).body?.getReader();
      for (let reads = 0; reads < turn; reads += 1) await reader?.read();
      const reading = reader?.read();
      const left = reader?.cancel();
      // Whoever opens a file now gets the numbers that have become free.
      const others = Array.from({ length: 4 }, () => openSync(out, "r"));
      await Promise.all([reading, left]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (const fd of others) expect(() => closeSync(fd)).not.toThrow();
      await expect.poll(descriptors).toBe(before);
    }
    expect(logged).toEqual([]);
  });

  it("breaks off where a file is another one by the time it is read", async () => {
    const { ask, out, logged } = await withFiles();
    writeFileSync(join(out, "a/big"), Buffer.alloc(4_000_000, "x"));
    writeFileSync(join(out, "z"), "before");
    const before = descriptors();
    const response = await ask(ZIP);
    writeFileSync(join(out, "z"), "AFTER.");
    await expect(response.arrayBuffer()).rejects.toThrow(/"z" was changed/);
    expect(logged).toEqual(['a zip broke off: "z" was changed while the archive was made.']);
    await expect.poll(descriptors).toBe(before);
  });
});

describe("a name in an archive", () => {
  it("is one for each path, and can do no harm", () => {
    const path = fc.array(
      fc.constantFrom(...[..."aC:%25F5\\/\n"].map((letter) => letter.charCodeAt(0)), 0xff, 0xc3, 0xa4),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(path, path, (one, other) => {
        const [a, b] = [Buffer.from(one), Buffer.from(other)];
        const name = archiveName(a);
        expect(name).not.toMatch(/[\\\u0000-\u001f]|^[A-Za-z]:/);
        if (!a.equals(b)) expect(archiveName(b)).not.toBe(name);
      }),
      { numRuns: 5000 },
    );
  });
});
