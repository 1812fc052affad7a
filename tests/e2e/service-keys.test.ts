// Keys as an operator makes them, on the command line, and as callers use them at a service that runs.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runCli } from "../support/cli.js";
import { jsonOf, startService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

async function made(roots: string, ...flags: string[]) {
  const { stdout, status } = await runCli(["keys", "create", "--json", ...flags], { roots });
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const as = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });

describe("keys", () => {
  it("are made, used, listed and revoked while the service runs", async () => {
    const roots = tempDir();
    const { stdout, stderr } = await runCli(["keys", "create", "-u", "alice", "--label", "laptop"], { roots });
    const alice = stdout.trim();
    expect(alice).toMatch(/^iso_[0-9a-z]{12}_[0-9a-z]{50}$/);
    expect(stderr).toContain("acts for alice");
    const service = await startService({ roots });
    const run = (key: string, body: object) => service.ask("/v1/runs", { body, ...as(key) });
    expect(await jsonOf(await run(alice, { code: "print(1)" }))).toMatchObject({ ok: true, userId: "alice" });
    expect((await run(alice, { code: "", userId: "bob" })).status).toBe(403);
    expect((await service.ask("/metrics", as(alice))).status).toBe(403);
    const backend = await made(roots, "--any-user", "--expires", "1d");
    expect(backend).toMatchObject({ ok: true, user: null, readOnly: false });
    expect(await jsonOf(await run(backend.key, { code: "", userId: "bob" }))).toMatchObject({
      ok: true,
      userId: "bob",
    });
    const reader = await made(roots, "--user", "alice", "--read-only");
    expect((await service.ask("/v1/runs", as(reader.key))).status).toBe(200);
    expect((await run(reader.key, { code: "" })).status).toBe(403);

    const listed = (await runCli(["keys", "list", "--json"], { roots })).stdout;
    for (const key of [alice, backend.key, reader.key]) expect(listed).not.toContain(key.split("_")[2]);
    const { keys } = JSON.parse(listed);
    expect(keys).toMatchObject([
      { user: "alice", label: "laptop", lastUsedAt: expect.any(String), expiresAt: null },
      { id: backend.id, user: null, expiresAt: expect.any(String) },
      { id: reader.id, readOnly: true },
    ]);
    expect((await runCli(["keys", "list"], { roots })).stdout).toContain(`${reader.id}  reads for alice`);

    expect((await runCli(["keys", "revoke", backend.id], { roots })).status).toBe(0);
    expect((await run(backend.key, { code: "", userId: "bob" })).status).toBe(401);
    expect(await runCli(["keys", "revoke", backend.id], { roots })).toMatchObject({ status: 2 });
    // Whoever found one where it should not be has all of it.
    expect((await runCli(["keys", "revoke", alice], { roots })).status).toBe(0);
    expect((await run(alice, { code: "" })).status).toBe(401);
  });

  it("open other addresses, where without them nobody is let in", async () => {
    const roots = tempDir();
    const refused = await runCli(["serve", "--host", "0.0.0.0", "--port", "0"], { roots });
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining("iso-runtime keys create") });
    const { key } = await made(roots, "--user", "alice");
    const service = await startService({ roots }, "--host", "0.0.0.0", "--allow-host", "api.example.org");
    expect(service.token).toBeNull();
    expect((await service.ask("/v1/runs", as(key))).status).toBe(200);
    expect((await service.ask("/v1/runs", as("null"))).status).toBe(401);
  });

  it.each([
    [["create"], "--user or --any-user"],
    [["create", "--user", "a", "--any-user"], "--user or --any-user"],
    [["create", "--user", ".."], "user id"],
    [["create", "--any-user", "--expires", "yesterday"], "--expires"],
    [["create", "--any-user", "--label", "x".repeat(101)], "--label"],
    [["revoke", "../../x"], "There is no key"],
    [["revoke"], "missing required argument"],
    [["nope"], "there is no 'nope'. There are: create, list, revoke"],
  ])("are refused where they are wrong, and nothing is made: %j", async (args, sentence) => {
    const roots = tempDir();
    const { status, stdout } = await runCli(["keys", ...args, "--json"], { roots });
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { message: expect.stringContaining(sentence) } });
    expect(() => readFileSync(`${roots}/workspace/.iso-runtime/keys`)).toThrow("ENOENT");
  });
});

describe("a user's storage", () => {
  it("is bounded for files that are sent and for runs that keep any", async () => {
    const service = await startService({ roots: tempDir() }, "--storage", "64KiB");
    const put = (name: string, bytes: number) =>
      service.ask(`/v1/workspace/files/${name}?user=alice`, { method: "PUT", body: new Uint8Array(bytes).fill(1) });
    expect((await put("a", 40_000)).status).toBe(200);
    const refused = await put("b", 40_000);
    expect(refused.status).toBe(403);
    expect(await jsonOf(refused)).toMatchObject({
      code: "quota_exceeded",
      hint: expect.stringContaining("Remove files"),
    });
    const fills = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/c", "w").write("x" * 40000)';
    const run = async (code: string, userId = "alice") => service.ask("/v1/runs", { body: { userId, code } });
    expect((await run(fills)).status).toBe(200);
    const full = await run("print(1)");
    expect(full.status).toBe(403);
    expect(await jsonOf(full)).toMatchObject({ code: "quota_exceeded", runId: expect.any(String) });
    expect((await run("print(1)", "bob")).status).toBe(200);
    expect((await service.ask("/v1/workspace/files/c?user=alice", { method: "DELETE" })).status).toBe(200);
    expect((await run("print(1)")).status).toBe(200);
  });
});
