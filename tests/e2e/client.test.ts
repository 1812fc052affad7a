// The client against the built service, through connections that are cut; and the examples that callers start from.
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { createClient } from "../support/built-client.js";
import { runCli } from "../support/cli.js";
import { startService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const COUNTS = "import time\nfor n in range(30):\n    print(n, flush=True)\n    time.sleep(0.03)\n";

/** Passes on what comes to where the service is now, and cuts each connection to events after so many bytes of answer. */
async function cutting(url: () => string, bytes: () => number): Promise<{ url: string; cuts: () => number }> {
  let cuts = 0;
  const server = createServer((client) => {
    const port = Number(new URL(url()).port);
    const service = connect(port, "127.0.0.1");
    let left = Number.POSITIVE_INFINITY;
    const end = () => {
      client.destroy();
      service.destroy();
    };
    for (const socket of [client, service]) socket.on("error", end).on("close", end);
    client.on("data", (chunk) => {
      if (chunk.includes("/events")) left = bytes();
      // The service answers to its own name alone.
      service.write(chunk.toString("latin1").replace(/^Host: .*$/im, `Host: 127.0.0.1:${port}`), "latin1");
    });
    service.on("data", (chunk) => {
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      cuts += 1;
      client.end(end);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, cuts: () => cuts };
}

describe("the client", () => {
  it("follows a run over cut connections, without gap or repeat, and does all that the service does", async () => {
    const service = await startService({ roots: tempDir() });
    let allowed = 400;
    const between = await cutting(
      () => service.url,
      () => (allowed += 300),
    );
    const client = createClient({ url: between.url, token: service.token, user: "alice" });
    const { runId } = await client.runs.start({ code: COUNTS });
    const seen: { seq: number; type: string; text?: string }[] = [];
    for await (const event of client.runs.events(runId)) seen.push(event);
    expect(between.cuts()).toBeGreaterThan(2);
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen.map(({ text }) => text ?? "").join("")).toBe(Array.from({ length: 30 }, (_, n) => `${n}\n`).join(""));
    expect(seen.at(-1)).toMatchObject({ type: "run.finished", result: { ok: true } });
    const direct = createClient({ url: service.url, token: service.token, user: "alice" });
    expect(await direct.runs.get(runId)).toMatchObject({ ok: true, runId });

    expect((await direct.scenarios()).scenarios.length).toBe(14);
    expect((await direct.tools()).tools.map(({ toolId }) => toolId)).toContain("local_tools.write_note");
    expect((await direct.profiles()).profiles.map(({ name }) => name)).toContain("default");

    const endless = await direct.runs.start({ code: "while True: pass", timeoutMs: 60_000 });
    for await (const { type } of direct.runs.events(endless.runId)) if (type === "run.started") break;
    await direct.runs.cancel(endless.runId);
    expect((await direct.runs.wait(endless.runId)).status).toBe("cancelled");
    const ids: string[] = [];
    for await (const run of direct.runs.list({ pageSize: 1 })) ids.push(run.runId);
    expect(ids).toEqual([endless.runId, runId]);

    for (const name of ["b.txt", "a b/ü.txt", "c.txt"]) await direct.workspace.put(name, `in ${name}`);
    const names: string[] = [];
    for await (const { path } of direct.workspace.list({ pageSize: 2 })) names.push(path);
    expect(names).toEqual(["a b/ü.txt", "b.txt", "c.txt"]);
    const { version: now } = await direct.workspace.put("c.txt", "later");
    const earlier = String(Number((await direct.workspace.versions()).versions[0]?.number) - 1);
    expect(await (await direct.workspace.get("c.txt", { version: earlier })).text()).toBe("in c.txt");
    expect(await (await direct.workspace.get("c.txt", { version: now ?? "" })).text()).toBe("later");
    expect(await (await direct.workspace.get("a b/ü.txt", { range: "bytes=3-5" })).text()).toBe("a b");
    expect((await direct.workspace.delete("b.txt")).path).toBe("b.txt");
    expect((await direct.workspace.undo()).changes).toMatchObject({ created: 1 });
    const { versions } = await direct.workspace.versions();
    expect(versions.slice(0, 2).map(({ kind }) => kind)).toEqual(["undo", "rm"]);
    await expect(direct.workspace.get("b.txt", { user: "bob" })).rejects.toMatchObject({ code: "not_found" });
    const zip = Buffer.from(await (await direct.workspace.zip({ path: "a b" })).arrayBuffer());
    const unzip = "import io, sys, zipfile; print(zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).namelist())";
    expect(execFileSync("python3", ["-c", unzip], { input: zip, encoding: "utf8" })).toBe("['a b/ü.txt']\n");

    const past = direct.runs.list({ status: ["succeeded", "timed_out"], text: "sleep 0.03", since: new Date(0) });
    expect((await past.next()).value).toMatchObject({ runId, status: "succeeded" });
    expect((await past.next()).done).toBe(true);
    expect((await direct.runs.request(endless.runId)).request).toMatchObject({ code: "while True: pass" });
    expect((await direct.runs.receipt(runId)).ended).toMatchObject({ sealed: true, line: { kind: "ended" } });
    expect(await direct.status()).toMatchObject({ stopping: false, runs: { ended: { succeeded: 1, cancelled: 1 } } });
    expect(await direct.usage()).toMatchObject({ total: { runs: 2, byStatus: { succeeded: 1, cancelled: 1 } } });
  });

  it("with a key of one user follows a run over the death of its service, and is one run in the next one too", async () => {
    const roots = tempDir();
    const { stdout } = await runCli(["keys", "create", "--user", "alice"], { roots });
    let service = await startService({ roots });
    const between = await cutting(
      () => service.url,
      () => Number.POSITIVE_INFINITY,
    );
    const { runs } = createClient({ url: between.url, token: stdout.trim() });
    const said = (text: string) => `print(${JSON.stringify(text)}, flush=True)`;
    const code = `import time\n${said("one")}\ntime.sleep(2)\n${said("two")}\nwhile True: pass`;
    const { runId, userId } = await runs.start({ code }, { idempotencyKey: "once" });
    expect(userId).toBe("alice");
    const seen: { seq: number; type: string; text?: string; result?: object }[] = [];
    for await (const event of runs.events(runId)) {
      seen.push(event);
      if (event.type !== "output" || !event.text.includes("two")) continue;
      service.child.kill("SIGKILL");
      await service.done;
      service = await startService({ roots });
    }
    expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, index) => index + 1));
    expect(seen.map(({ text }) => text ?? "").join("")).toBe("one\ntwo\n");
    expect(seen.at(-1)).toMatchObject({
      type: "run.finished",
      result: { status: "failed", error: { code: "interrupted" } },
    });
    expect(await runs.start({ code }, { idempotencyKey: "once" })).toMatchObject({ runId, status: "failed" });
  });

  it("waits for a run that another service of the same roots is at", async () => {
    const roots = tempDir();
    const [one, other] = [await startService({ roots }), await startService({ roots })].map(({ url, token }) =>
      createClient({ url, token, user: "alice" }),
    );
    const { runId } = (await one?.runs.start({ code: "import time\ntime.sleep(1.5)" })) ?? { runId: "" };
    await expect(other?.runs.cancel(runId)).rejects.toMatchObject({ status: 409, code: "conflict" });
    expect(await other?.runs.wait(runId)).toMatchObject({ runId, ok: true });
  });

  it("is told where there is no room, and asks for no more", async () => {
    const { url, token } = await startService({ roots: tempDir() }, "--storage", "64KiB");
    let asked = 0;
    const counting: typeof fetch = (...given) => {
      asked += 1;
      return fetch(...given);
    };
    const { runs, workspace } = createClient({ url, token, user: "alice", fetch: counting });
    await workspace.put("a", new Uint8Array(60_000));
    const full = { name: "ProblemError", status: 403, code: "quota_exceeded", retryAfterMs: undefined };
    await expect(workspace.put("b", new Uint8Array(60_000))).rejects.toMatchObject(full);
    expect(asked).toBe(2);
    const fills = 'import os\nopen(os.environ["OUTPUT_DIR"] + "/c", "w").write("x" * 60000)';
    expect((await runs.create({ code: fills })).ok).toBe(true);
    const refused = { ...full, runId: expect.any(String), hint: expect.stringContaining("Remove files") };
    await expect(runs.create({ code: "" })).rejects.toMatchObject(refused);
    await workspace.delete("c");
    expect((await runs.create({ code: "" })).ok).toBe(true);
  });

  it("is one file that needs nothing of Node's and no package", () => {
    const text = readFileSync("dist/client/index.js", "utf8");
    expect(text).toContain("createClient");
    expect(text).not.toMatch(/^import |\brequire\(|\bimport\(|\bprocess\.|\bBuffer\b|zod/m);
    expect(text.length).toBeLessThan(30_000);
  });
});

describe("the examples", () => {
  it.each([
    ["examples/client/follow-a-run.mjs", process.execPath, /^succeeded satisfied .*\nunknown_profile profile\n$/],
    ["examples/http/run.py", "python3", /printed: counting\nsum\.txt: 5050\nnot found by another user/],
    ["examples/http/run.sh", "sh", /^succeeded\ntotal: 12\n$/],
  ])("%s shows what works", async (file, command, shown) => {
    const { url, token } = await startService({ roots: tempDir() });
    const env = { PATH: process.env.PATH ?? "", ISO_URL: url, ISO_TOKEN: token };
    expect((await promisify(execFile)(command, [file], { env })).stdout).toMatch(shown);
  });
});
