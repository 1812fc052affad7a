// The client against the built service, through connections that are cut; and the examples that callers start from.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
// As whoever installs the package has it.
import { createClient } from "../../dist/client/index.js";
import { startService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const COUNTS = "import time\nfor n in range(30):\n    print(n, flush=True)\n    time.sleep(0.03)\n";

/** Passes on what comes, and cuts each connection to events after so many bytes of answer. */
async function cutting(url: string, bytes: () => number): Promise<{ url: string; cuts: () => number }> {
  const port = Number(new URL(url).port);
  let cuts = 0;
  const server = createServer((client) => {
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
    const between = await cutting(service.url, () => (allowed += 300));
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
    expect(await (await direct.workspace.get("a b/ü.txt", { range: "bytes=3-5" })).text()).toBe("a b");
    expect((await direct.workspace.delete("b.txt")).path).toBe("b.txt");
    expect((await direct.workspace.undo()).changes).toMatchObject({ created: 1 });
    const { versions } = await direct.workspace.versions();
    expect(versions.slice(0, 2).map(({ kind }) => kind)).toEqual(["undo", "rm"]);
    await expect(direct.workspace.get("b.txt", { user: "bob" })).rejects.toMatchObject({ code: "not_found" });
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
