// The routes of files and versions, over real workspaces: what goes in comes out, and nothing goes anywhere else.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Workspaces } from "../../src/index.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf, problemIn } from "./bed.js";

async function withRuntime() {
  const roots = tempDir();
  const runtime = await createRuntime({
    ...{ workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), tools: { tools: [] }, warm: 0 },
  });
  onTestFinished(() => runtime.close());
  const it = bed({ runtime });
  const file = (path: string) => `/v1/workspace/files/${path}`;
  const put = (path: string, body: string | Uint8Array, user = "alice", headers = {}) =>
    it.ask(file(path), {
      method: "PUT",
      body,
      user,
      headers: { "Content-Type": "application/octet-stream", ...headers },
    });
  const out = (user = "alice") => join(roots, "w", user, "out");
  return { ...it, file, put, out, roots };
}

const descriptors = () => readdirSync("/proc/self/fd").length;

describe("a file that is sent", () => {
  it("has its place at once, as a version that can be undone", async () => {
    const { ask, put, file, out } = await withRuntime();
    const first = await put("a/b.txt", "one");
    expect(await jsonOf(first)).toMatchObject({
      path: "a/b.txt",
      bytes: 3,
      version: expect.stringMatching(/^\d{8}\.put$/),
    });
    expect(readFileSync(join(out(), "a/b.txt"), "utf8")).toBe("one");
    await put("a/b.txt", "two");
    await put("c.bin", new Uint8Array([0, 255, 10]));
    expect(await jsonOf(await ask("/v1/workspace/files"))).toEqual({
      ...{ total: 2, bytes: 6, next: null },
      files: [
        { path: "a/b.txt", kind: "file", bytes: 3 },
        { path: "c.bin", kind: "file", bytes: 3 },
      ],
    });
    expect(Buffer.from(await (await ask(file("c.bin"))).arrayBuffer())).toEqual(Buffer.from([0, 255, 10]));
    const { versions } = await jsonOf(await ask("/v1/workspace/versions"));
    expect(versions.map(({ kind }: { kind: string }) => kind)).toEqual(["put", "put", "put", "start"]);
    const undone = await jsonOf(await ask("/v1/workspace/undo", { body: { version: "1" } }));
    expect(undone).toMatchObject({ restored: versions[2].id, changes: { created: 0, modified: 1, deleted: 1 } });
    expect(await (await ask(file("a/b.txt"))).text()).toBe("one");
    expect((await ask(file("c.bin"))).status).toBe(404);
  });

  it.each(["a\nb", "x/\r\n", "\u2028\u2029", "%41", "?a=b#c", " ", "{.+}", ":path", "\u007f|"])(
    "may be called %j",
    async (path) => {
      const { ask, put, file, out } = await withRuntime();
      const address = path.split("/").map(encodeURIComponent).join("/");
      expect(await jsonOf(await put(address, "here"))).toMatchObject({ path, bytes: 4 });
      expect(readFileSync(join(out(), path), "utf8")).toBe("here");
      expect(await (await ask(file(address))).text()).toBe("here");
      expect((await ask(file(address), { method: "PATCH" })).headers.get("Allow")).toBe("GET, PUT, DELETE");
      expect(await jsonOf(await ask(file(address), { method: "DELETE" }))).toMatchObject({ path });
      expect((await ask(file(address))).status).toBe(404);
    },
  );

  it.each([
    ["..%2Fescaped", "path"],
    ["a%2F..%2F..%2Fescaped", "path"],
    ["%2Fetc%2Fescaped", "path"],
    ["a%2F%2Fb", "path"],
    ["a%00b", "path"],
    ["logs%2Fx", "path"],
    ["x".repeat(256), "path"],
    [Array(65).fill("d").join("/"), "path"],
    [Array(12).fill("d".repeat(255)).join("/"), "path"],
  ])("goes nowhere else: %s", async (path, field) => {
    const { put, roots } = await withRuntime();
    const response = await put(path, "x");
    expect(await problemIn(response)).toMatchObject({ status: 400, code: "invalid_request", field });
    expect(existsSync(join(roots, "escaped"))).toBe(false);
    expect(existsSync(join(roots, "w", "alice"))).toBe(false);
    expect(readdirSync(join(roots, "s/.iso-runtime/building"))).toEqual([]);
  });

  it("follows no link that a program left, and takes the place of no folder", async () => {
    const { put, out, roots } = await withRuntime();
    await put("folder/file", "kept");
    const outside = join(roots, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "target"), "untouched");
    symlinkSync("folder", join(out(), "inner"));
    symlinkSync(outside, join(out(), "leaving"));
    for (const [path, code] of [
      ["inner/x", "conflict"],
      ["leaving/target", "conflict"],
      ["folder", "conflict"],
      ["folder/file/below", "conflict"],
    ] as const) {
      expect(await problemIn(await put(path, "x")), path).toMatchObject({ status: 409, code });
    }
    expect(readFileSync(join(outside, "target"), "utf8")).toBe("untouched");
    expect(readFileSync(join(out(), "folder/file"), "utf8")).toBe("kept");
    expect(await (await put("inner", "no link any more")).status).toBe(200);
    expect(readFileSync(join(out(), "inner"), "utf8")).toBe("no link any more");
    expect(readdirSync(join(out(), "folder"))).toEqual(["file"]);
  });

  it("is nothing where it is too large, breaks off, or is a part", async () => {
    const { ask, put, file, roots, app, service } = await withRuntime();
    await put("a.txt", "old");
    const large = await put("a.txt", "x", "alice", { "Content-Length": String(200 * 1024 * 1024) });
    expect(await problemIn(large)).toMatchObject({ status: 413, code: "too_large" });
    expect(await problemIn(await put("a.txt", "x", "alice", { "Content-Range": "bytes 0-0/9" }))).toMatchObject({
      ...{ status: 400, field: "content-range" },
    });
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 1;
        if (sent === 3) controller.error(new Error("the caller left"));
        else controller.enqueue(new Uint8Array(1000));
      },
    });
    const headers = { Host: service.hosts()[0] ?? "", Authorization: `Bearer ${service.token}` };
    const init: RequestInit & { duplex: "half" } = { method: "PUT", body, headers, duplex: "half" };
    expect((await app.request(`http://x${file("a.txt")}?user=alice`, init)).status).toBe(400);
    expect(await (await ask(file("a.txt"))).text()).toBe("old");
    expect(readdirSync(join(roots, "s/.iso-runtime/building"))).toEqual([]);
  });
});

describe("a file of a run", () => {
  it("is what the run left, whatever became of it since, and nothing that is not", async () => {
    const { ask, put, runs, out } = await withRuntime();
    const { version } = await jsonOf(await put("a/b.txt", "as the run left it"));
    await ask("/v1/runs", { body: { code: "" }, headers: ASYNC });
    const { runId } = runs.last;
    const file = (path: string, query = "") => `/v1/runs/${runId}/files/${path}${query}`;
    await runs.last.end({ workspace: { synced: true, durability: "process", version } });
    const read = async () => (await ask(file("a%2Fb.txt"))).text();
    expect(await read()).toBe("as the run left it");
    await put("a/b.txt", "later");
    await put("later.txt", "x");
    expect(await read()).toBe("as the run left it");
    await ask("/v1/workspace/files/a", { method: "DELETE" });
    expect(await read()).toBe("as the run left it");
    const part = await ask(file("a/b.txt"), { headers: { Range: "bytes=0-1" } });
    expect([part.status, await part.text()]).toEqual([206, "as"]);
    const before = descriptors();
    for (const [path, status] of [
      ...[
        ["later.txt", 404],
        ["a", 404],
        ["..%2F..%2Fs", 404],
        ["%2Fetc%2Fpasswd", 404],
        ["a%00", 404],
      ],
    ] as [string, number][]) {
      expect((await ask(file(path))).status, path).toBe(status);
    }
    expect((await ask(file("a/b.txt", "?workspace=scratch"))).status).toBe(404);
    expect((await ask(file("a/b.txt"), { user: "bob" })).status).toBe(404);
    expect(descriptors()).toBe(before);
    expect(existsSync(join(out(), "a"))).toBe(false);
  });

  it("is refused where it was edited in place since", async () => {
    const { ask, put, runs, out } = await withRuntime();
    const { version } = await jsonOf(await put("a.txt", "as it was"));
    await ask("/v1/runs", { body: { code: "" }, headers: ASYNC });
    await runs.last.end({ workspace: { synced: true, durability: "process", version } });
    writeFileSync(join(out(), "a.txt"), "by hand", { flag: "r+" });
    expect(await problemIn(await ask(`/v1/runs/${runs.last.runId}/files/a.txt`))).toMatchObject({ code: "conflict" });
  });

  it("is none of a run that made no version", async () => {
    const { ask, runs } = await withRuntime();
    await ask("/v1/runs", { body: { code: "" }, headers: ASYNC });
    await runs.last.end();
    expect((await ask(`/v1/runs/${runs.last.runId}/files/a.txt`)).status).toBe(404);
  });
});

describe("files that are sent at once", () => {
  it("are so many and no more, for each may fill the disk", async () => {
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const put = () => ended.then(() => ({ bytes: 0, version: null }));
    // A put that takes its time; nothing else of a runtime is asked for.
    const { ask } = bed({ runtime: { workspaces: { roots: [], put } as unknown as Workspaces } });
    const send = (user: string) => ask("/v1/workspace/files/a", { method: "PUT", body: "x", user });
    const busy = async (user: string) =>
      expect(await problemIn(await send(user))).toMatchObject({ status: 429, code: "too_busy" });
    const sent = [1, 2, 3, 4].map(() => send("alice"));
    // One user's do not keep another from sending.
    await busy("alice");
    for (const user of ["bob", "carol", "dan"]) for (const _ of [1, 2, 3, 4]) sent.push(send(user));
    await busy("eve");
    end();
    for (const response of await Promise.all(sent)) expect(response.status).toBe(200);
    for (const user of ["alice", "eve"]) expect((await send(user)).status).toBe(200);
  });
});

describe("a file that is asked for", () => {
  it("comes as a whole or in parts, as a download that no browser runs", async () => {
    const { ask, put, file } = await withRuntime();
    await put("dir/a 'b'.html", "0123456789");
    const path = file("dir/a%20%27b%27.html");
    const whole = await ask(path);
    expect(await whole.text()).toBe("0123456789");
    const head = Object.fromEntries(whole.headers);
    expect(head).toMatchObject({
      ...{ "content-type": "application/octet-stream", "content-length": "10", "accept-ranges": "bytes" },
      "content-disposition": "attachment; filename*=UTF-8''a%20%27b%27.html",
      ...{ "x-content-type-options": "nosniff", "content-security-policy": expect.stringContaining("sandbox") },
    });
    const part = await ask(path, { headers: { Range: "bytes=2-4" } });
    expect([part.status, part.headers.get("Content-Range"), await part.text()]).toEqual([206, "bytes 2-4/10", "234"]);
    expect((await ask(path, { headers: { Range: "bytes=0-1,4-5" } })).status).toBe(200);
    const beyond = await ask(path, { headers: { Range: "bytes=10-" } });
    expect(beyond.headers.get("Content-Range")).toBe("bytes */10");
    expect(await problemIn(beyond)).toMatchObject({ status: 416, code: "range_not_satisfiable" });
    const tag = head.etag ?? "";
    const same = await ask(path, { headers: { Range: "bytes=2-4", "If-Range": tag } });
    expect(same.status).toBe(206);
    await put("dir/a 'b'.html", "9876543210");
    const changed = await ask(path, { headers: { Range: "bytes=2-4", "If-Range": tag } });
    expect([changed.status, await changed.text()]).toEqual([200, "9876543210"]);
  });

  it("leaves no descriptor open, however its reader leaves", async () => {
    const { ask, put, file } = await withRuntime();
    await put("big", "x".repeat(1_000_000));
    await put("empty", "");
    const before = descriptors();
    for (let round = 0; round < 10; round += 1) {
      expect(await (await ask(file("empty"))).text()).toBe("");
      expect((await ask(file("big"), { method: "HEAD" })).headers.get("Content-Length")).toBe("1000000");
      await ask(file("big"), { headers: { Range: "bytes=2000000-" } });
      const unread = await ask(file("big"));
      await unread.body?.cancel();
      const reader = (await ask(file("big"))).body?.getReader();
      await reader?.read();
      await reader?.cancel();
      expect((await (await ask(file("big"))).text()).length).toBe(1_000_000);
    }
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 1);
  });

  it.each([
    ["..%2F..%2Fs", 400],
    ["%2Fetc%2Fpasswd", 400],
    ["%2e%2e/%2e%2e/healthz", 404],
    ["nothing", 404],
    ["folder", 404],
    ["leaving", 404],
    ["leaving%2Fpasswd", 404],
    ["a%00", 400],
  ])("is one of the workspace's own, and not %s", async (path, status) => {
    const { ask, put, file, out, roots } = await withRuntime();
    await put("folder/file", "x");
    symlinkSync("/etc", join(out(), "leaving"));
    for (const method of ["GET", "DELETE"]) {
      if (path === "folder" || path === "leaving") continue;
      const response = await ask(file(path), { method });
      const problem = await problemIn(response);
      expect(problem.status, method).toBe(status);
      expect(JSON.stringify(problem)).not.toContain(roots);
    }
    expect((await ask(file(path))).status).toBe(status);
    expect(existsSync("/etc/passwd")).toBe(true);
  });
});

describe("a workspace", () => {
  it("is each user's own, and each workspace is another one", async () => {
    const { ask, put, file } = await withRuntime();
    await put("secret.txt", "alice's");
    await put("b.txt", "x", "bob");
    for (const [method, path] of [
      ["GET", file("secret.txt")],
      ["DELETE", file("secret.txt")],
      ["GET", `${file("secret.txt")}?workspace=scratch`],
      ["GET", "/v1/workspace/files?workspace=scratch"],
      ["GET", "/v1/workspace/versions?workspace=scratch"],
    ] as const) {
      const problem = await problemIn(await ask(path, { method, user: "bob" }));
      expect(problem, path).toMatchObject({ status: 404, code: "not_found" });
    }
    expect(await jsonOf(await ask("/v1/workspace/files", { user: "bob" }))).toMatchObject({ total: 1 });
    expect((await ask("/v1/workspace/undo", { user: "carol", body: {} })).status).toBe(404);
    expect(await (await ask(file("secret.txt"))).text()).toBe("alice's");
  });

  it("does not come to be by being looked at, and no answer names its place on the host", async () => {
    const { ask, file, roots } = await withRuntime();
    for (const path of ["/v1/workspace/files", file("x"), "/v1/workspace/versions"]) {
      const problem = await problemIn(await ask(path));
      expect(problem).toMatchObject({ status: 404, code: "not_found" });
      expect(JSON.stringify(problem)).not.toContain(roots);
    }
    expect(existsSync(join(roots, "w", "alice"))).toBe(false);
  });

  it("is listed by pages", async () => {
    const { ask, put } = await withRuntime();
    for (const name of ["c", "a", "b/x", "é"]) await put(name, "1");
    const names: string[] = [];
    let next: string | null = null;
    do {
      const after = next === null ? "" : `&after=${encodeURIComponent(next)}`;
      const page: { files: { path: string }[]; next: string | null; total: number } = await jsonOf(
        await ask(`/v1/workspace/files?limit=2${after}`),
      );
      expect(page.total).toBe(4);
      names.push(...page.files.map(({ path }) => path));
      next = page.next;
    } while (next !== null);
    expect(names).toEqual(["a", "b/x", "c", "é"]);
  });

  it("loses a file that is removed, until that is undone", async () => {
    const { ask, put, file, out } = await withRuntime();
    await put("a.txt", "x");
    const removed = await jsonOf(await ask(file("a.txt"), { method: "DELETE" }));
    expect(removed).toMatchObject({ path: "a.txt", version: expect.stringContaining(".rm") });
    expect(existsSync(join(out(), "a.txt"))).toBe(false);
    await ask("/v1/workspace/undo", { body: {} });
    expect(readFileSync(join(out(), "a.txt"), "utf8")).toBe("x");
  });

  it.each([
    ["GET", "/v1/workspace/files?limit=0", undefined, "limit"],
    ["GET", "/v1/workspace/files?workspace=A.B", undefined, "workspace"],
    ["GET", "/v1/workspace/files/a?other=1", undefined, "other"],
    ["PUT", "/v1/workspace/files/a?workspace=..", "x", "workspace"],
    ["DELETE", "/v1/workspace/files/a?workspace=", undefined, "workspace"],
    ["GET", "/v1/workspace/versions?x=1", undefined, "x"],
    ["POST", "/v1/workspace/undo", { version: 4 }, "version"],
    ["POST", "/v1/workspace/undo", { to: "4" }, "to"],
  ])("is asked in vain by %s %s", async (method, path, body, field) => {
    const { ask } = await withRuntime();
    const problem = await problemIn(await ask(path, { method, ...(body !== undefined && { body }) }));
    expect(problem).toMatchObject({ status: 400, code: "invalid_request", field });
  });
});
