// `iso-runtime workspace` as a user meets it: documents, bytes, versions, and what each mistake is answered with.
import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRuntime } from "../../src/index.js";
import { type CliOptions, runCli } from "../support/cli.js";
import { suiteDir, tempDir } from "../support/temp.js";

const roots = suiteDir();
const put = (name: string, text: string) =>
  `import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], ${JSON.stringify(name)}), "wb").write(${JSON.stringify(text)}.encode())`;

async function document(args: string[], options: CliOptions = { roots }) {
  const { stdout, status, stderr } = await runCli(args, options);
  const lines = stdout.trimEnd().split("\n");
  expect(lines, stderr).toHaveLength(1);
  return { ...JSON.parse(lines[0] ?? ""), status };
}

const run = (user: string, name: string, text: string, ...more: string[]) =>
  document(["run", "-u", user, "-c", put(name, text), "--json", ...more]);
const workspace = (...args: string[]) => document(["workspace", ...args, "--json"]);

describe("workspace", () => {
  it("names each run's version, and goes through them and back", async () => {
    const first = await run("alice", "a.txt", "one\n");
    const second = await run("alice", "a.txt", "two\n");
    const idle = await document(["run", "-u", "alice", "-c", "pass", "--json"]);
    const none = await document(["run", "-u", "alice", "-c", put("a.txt", "3"), "--json", "--sync", "never"]);
    expect(first.workspace.version).toBe(`00000001.${first.runId}`);
    expect(second.workspace.version).toBe(`00000002.${second.runId}`);
    expect([idle.workspace, none.workspace]).toMatchObject([
      { synced: true, version: null },
      { synced: false, version: null },
    ]);

    expect(await workspace("ls", "-u", "alice")).toMatchObject({
      ok: true,
      bytes: 4,
      files: [{ path: "a.txt", kind: "file", bytes: 4 }],
    });
    expect(await workspace("history", "-u", "alice")).toMatchObject({
      changedByHand: false,
      versions: [
        { id: second.workspace.version, runId: second.runId, current: true },
        { id: first.workspace.version, current: false, kept: true },
        { id: "00000000.start" },
      ],
    });
    expect(await workspace("diff", "-u", "alice")).toMatchObject({
      changes: [{ path: "a.txt", change: "modified", patch: "@@ -1,1 +1,1 @@\n-one\n+two" }],
    });
    expect(await workspace("undo", "-u", "alice")).toMatchObject({
      version: "00000003.undo",
      restored: first.workspace.version,
    });
    expect(await workspace("cat", "a.txt", "-u", "alice")).toMatchObject({ text: "one\n", bytes: 4 });
    expect(await workspace("rm", "a.txt", "-u", "alice")).toMatchObject({ version: "00000004.rm" });
    expect(await workspace("ls", "-u", "alice")).toMatchObject({ files: [] });
    expect(await workspace("undo", "2", "-u", "alice")).toMatchObject({ restored: second.workspace.version });
    const plain = await runCli(["workspace", "cat", "a.txt", "-u", "alice"], { roots });
    expect([plain.stdout, plain.status]).toEqual(["two\n", 0]);
  });

  it("shows hostile names and contents without their control characters, and gives bytes exactly", async () => {
    const name = "x\u001b[2J\n\u202ey";
    await run("mallory", name, "\u001b]0;title\u0007\n");
    for (const args of [["ls"], ["diff"], ["history"]]) {
      const { stdout } = await runCli(["workspace", ...args, "-u", "mallory"], { roots });
      expect(stdout).not.toMatch(/[\u001b\u0007\u202e]/);
      if (args[0] !== "history") expect(stdout).toContain("x\\x1b[2J\\n\\u202ey");
    }
    expect((await runCli(["workspace", "cat", name, "-u", "mallory"], { roots })).stdout).toBe(
      "\u001b]0;title\u0007\n",
    );
    expect(await workspace("ls", "-u", "mallory")).toMatchObject({ files: [{ path: name }] });
  });

  it("follows no link that leads out", async () => {
    await run("linker", "a", "1");
    const out = join(roots, "workspace/linker/out");
    symlinkSync("/etc", join(out, "etc"));
    symlinkSync("/etc/passwd", join(out, "passwd"));
    mkdirSync(join(out, "dir"));
    for (const path of ["passwd", "etc/passwd", "dir", "../out/a", "/etc/passwd", "", "nothing"]) {
      const found = await workspace("cat", path, "-u", "linker");
      expect(found, path).toMatchObject({ ok: false, status: 2, error: { message: expect.any(String) } });
      expect(JSON.stringify(found)).not.toContain("root:");
    }
    expect(await workspace("ls", "-u", "linker")).toMatchObject({
      files: [{ path: "a" }, { path: "etc", kind: "link" }, { path: "passwd", kind: "link" }],
    });
  });

  it("tells what was changed by hand before it undoes", async () => {
    await run("hand", "kept", "original");
    await run("hand", "other", "1");
    appendFileSync(join(roots, "workspace/hand/out/kept"), " and more");
    expect(await workspace("history", "-u", "hand")).toMatchObject({ changedByHand: true });
    const refused = await workspace("undo", "-u", "hand");
    expect(refused).toMatchObject({
      status: 2,
      error: {
        code: "conflict",
        message: expect.stringContaining('"kept"'),
        hint: expect.stringContaining("--with-edits"),
      },
    });
    expect(await workspace("undo", "-u", "hand", "--with-edits")).toMatchObject({
      ok: true,
      edited: [{ path: "kept" }],
    });
    expect(readdirSync(join(roots, "workspace/hand/out"))).toEqual(["kept"]);
  });

  it("keeps another workspace of the same user apart, and takes how much is kept from a config", async () => {
    const config = join(roots, "few.json");
    writeFileSync(config, JSON.stringify({ versions: { keep: 1, bytes: "10MiB" } }));
    for (const text of ["1", "2", "3"]) await run("w", "a", text, "--workspace", "scratch", "--config", config);
    const { versions } = await workspace("history", "-u", "w", "--workspace", "scratch", "--config", config);
    expect(versions.map(({ number }: { number: number }) => number)).toEqual([3, 2]);
    expect(await workspace("history", "-u", "w")).toMatchObject({ status: 2, error: { code: "not_found" } });
    const off = await document(["run", "-u", "w", "-c", put("a", "4"), "--json"], {
      roots,
      env: { ISO_RUNTIME_VERSIONS: "0" },
    });
    expect(off.workspace).toMatchObject({ synced: true, version: null });
  });

  it.each<[string[], string]>([
    [["workspace"], "There are: ls, cat"],
    [["workspace", "list"], "There are: ls, cat"],
    [["workspace", "ls", "more"], "too many arguments"],
    [["workspace", "cat"], "missing required argument 'path'"],
    [["workspace", "rm"], "missing required argument 'path'"],
    [["workspace", "diff", "1", "2", "3"], "too many arguments"],
    [["workspace", "ls", "--all"], "unknown option"],
    [["workspace", "ls", "-u"], "argument missing"],
    [["workspace", "ls", "-u", "--config"], "argument missing"],
    [["workspace", "ls", "-u", ""], "is empty"],
    [["workspace", "ls", "-u", "no-such-user"], "has no workspace"],
    [["workspace", "undo", "-u", "no-such-user"], "has no workspace"],
    [["workspace", "rm", "a", "-u", "no-such-user"], "has no workspace"],
    [["workspace", "ls", "--workspace", ""], "--workspace: it must not be empty"],
    [["workspace", "ls", "--workspace", "../x"], "is not allowed"],
    [["workspace", "ls", "--config", "/no/such/file"], "there is no file"],
    [["workspace", "ls", "--config", ""], "--config: it must not be empty"],
  ])("%j is a mistake that is told, and makes nothing", async (args, sentence) => {
    const empty = tempDir();
    const plain = await runCli(args, { roots: empty });
    expect(plain.status, plain.stderr).toBe(2);
    expect(plain.stderr).toContain(sentence);
    expect(plain.stdout).toBe("");
    const told = await document([...args, "--json"], { roots: empty });
    expect(told).toMatchObject({ ok: false, status: 2, error: { code: expect.any(String) } });
    expect(readdirSync(empty)).toEqual([]);
  });

  it.each(["diff", "undo"])("%s of a version that there is not says which there are", async (command) => {
    await run("few", "a", "1");
    expect(await workspace(command, "7", "-u", "few")).toMatchObject({
      status: 2,
      error: { code: "not_found", message: expect.stringContaining("0 to 1") },
    });
  });

  it("a run and undos of two processes take turns", async () => {
    await run("both", "a", "0");
    const all = await Promise.all([
      ...[1, 2].map((number) => run("both", "a", String(number))),
      ...[1, 2].map(() => workspace("undo", "-u", "both")),
    ]);
    for (const one of all) expect(one).toMatchObject({ ok: true, status: 0 });
    const { versions } = await workspace("history", "-u", "both");
    const ids = all.map((one) => one.workspace?.version ?? one.version).filter((id) => id !== null);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(versions.map((version: { id: string }) => version.id)).toContain(id);
    expect(versions.map(({ number }: { number: number }) => number)).toEqual(
      versions.map((_: unknown, at: number) => versions.length - 1 - at),
    );
  });
});

describe("runtime.workspaces", () => {
  it("does the same for a program", async () => {
    const dir = tempDir();
    await using runtime = await createRuntime({ workspaceRoot: join(dir, "w"), sandboxRoot: join(dir, "s"), warm: 0 });
    const name = { userId: "lib" };
    await expect(runtime.workspaces.files(name)).rejects.toMatchObject({ code: "not_found" });
    expect(readdirSync(dir)).toEqual([]);
    for (const text of ["1", "2"]) expect((await runtime.run({ ...name, code: put("a", text) })).ok).toBe(true);
    const [{ id = "" } = {}] = (await runtime.workspaces.history(name)).versions;
    expect((await runtime.workspaces.undo(name)).version).toBe("00000003.undo");
    expect(readFileSync(join(dir, "w/lib/out/a"), "utf8")).toBe("1");
    expect((await runtime.workspaces.diff(name, id)).totals).toEqual({ created: 0, modified: 1, deleted: 0 });
    const chunks = await (await runtime.workspaces.readFile(name, "a")).toArray();
    expect(Buffer.concat(chunks).toString()).toBe("1");
    expect(await runtime.workspaces.remove(name, "a")).toBe("00000004.rm");
    expect(await runtime.workspaces.files(name)).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)("an ordinary user gets versions, and no look at another's", async () => {
    const dir = tempDir();
    for (const path of [dir, join(dir, "mine")]) {
      mkdirSync(path, { recursive: true });
      chmodSync(path, 0o777);
    }
    const as = ["/usr/bin/setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"];
    const options = { roots: join(dir, "mine"), as };
    const ran = await document(["run", "-c", put("a", "1"), "--json"], options);
    expect(ran.workspace.version).toBe(`00000001.${ran.runId}`);
    expect(await document(["workspace", "undo", "--json"], options)).toMatchObject({
      ok: true,
      restored: "00000000.start",
    });
    chmodSync(join(roots, "workspace/alice/out"), 0o700);
    const refused = await document(["workspace", "ls", "-u", "alice", "--json"], { roots, as });
    expect(refused).toMatchObject({ ok: false, error: { message: expect.stringMatching(/permission|EACCES/) } });
  });
});
