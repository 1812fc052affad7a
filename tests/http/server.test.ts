// The service on a socket, over runs that a test ends: where it listens, what a connection may cost, how it stops.
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventStreams } from "../../src/http/events.js";
import { type Listening, type ServeOptions, serveApi } from "../../src/http/server.js";
import { ApiKeys } from "../../src/records/api-keys.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, FakeRuns, jsonOf } from "./bed.js";

async function serving(options: Partial<ServeOptions> = {}) {
  const runs = new FakeRuns();
  const stop = new AbortController();
  const logged: string[] = [];
  const parts = {
    workspaces: { roots: [] },
    tools: null,
    bundle: null,
    settings: { versions: { maxBytes: 0 } },
    close: async () => runs.cancelAll(),
  };
  // What the routes under test use of a runtime.
  const runtime = Object.assign(runs, parts) as unknown as ServeOptions["runtime"];
  let done: Promise<void> = Promise.resolve();
  const listening = await new Promise<Listening>((resolve, reject) => {
    const given = {
      runtime,
      host: "127.0.0.1",
      port: 0,
      drainMs: 5000,
      version: "1",
      log: (line: string) => void logged.push(line),
      keys: { find: () => null, any: false },
    };
    done = serveApi({ ...given, ...options }, stop.signal, resolve);
    done.catch(reject);
  });
  const { url, token } = listening;
  onTestFinished(async () => {
    stop.abort();
    runs.cancelAll();
    await done;
  });
  const ask = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetch(new URL(path, url), { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } });
  const start = (headers: Record<string, string> = {}) =>
    ask("/v1/runs", {
      ...{ method: "POST", body: JSON.stringify({ userId: "alice", code: "" }) },
      headers: { "Content-Type": "application/json", ...headers },
    });
  return { ...listening, ask, start, runs, logged, stop: () => stop.abort(), done };
}

/** Bytes as they are, for what no client would send. */
async function raw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(text);
  return await everything(socket);
}

async function everything(socket: Socket): Promise<string> {
  let answer = "";
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

describe("listening", () => {
  it.each(["0.0.0.0", "::", "192.0.2.1", "example.org", "", "127.0.0.1.example.org", "2130706433"])(
    "is refused on %j, as there are no keys",
    async (host) => {
      await expect(serving({ host })).rejects.toMatchObject({ code: "config_invalid", field: "--host" });
    },
  );

  it("is done anywhere where there is a key, without a token, for the names of the address alone", async () => {
    const keys = new ApiKeys(tempDir());
    await expect(serving({ host: "0.0.0.0", keys })).rejects.toMatchObject({
      hint: expect.stringContaining("keys create"),
    });
    const { key } = keys.create({ user: "alice", readOnly: false, label: "", expiresAt: null });
    const service = await serving({ host: "0.0.0.0", keys, allowHosts: ["api.example.org"] });
    expect(service.token).toBeNull();
    const { port } = new URL(service.url);
    const status = async (authorization: string, host: string) => {
      const head = `Host: ${host}\r\nAuthorization: Bearer ${authorization}\r\nConnection: close\r\n`;
      return /^HTTP\/1.1 (\d+)/.exec(await raw(service.url, `GET /v1/runs HTTP/1.1\r\n${head}\r\n`))?.[1];
    };
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "api.example.org", `api.example.org:${port}`]) {
      expect(await status(key, host), host).toBe("200");
      expect(await status("null", host), host).toBe("401");
    }
    for (const host of ["evil.example", `0.0.0.0:${port}`, "127.0.0.1:1"]) {
      expect(await status(key, host), host).toBe("403");
    }
    await expect(serving({ allowHosts: ["*"] })).rejects.toMatchObject({
      code: "config_invalid",
      field: "--allow-host",
    });
  });

  it.each(["localhost", "127.0.0.2", "::1"])("is done on %s, which is this host alone", async (host) => {
    const { ask, url } = await serving({ host });
    expect((await ask("/healthz")).status, url).toBe(200);
  });

  it("is told where the port is taken", async () => {
    const { url } = await serving();
    await expect(serving({ port: Number(new URL(url).port) })).rejects.toMatchObject({ code: "config_invalid" });
  });

  it("has another token each time", async () => {
    const [one, two] = [await serving(), await serving()];
    expect(one.token).not.toBe(two.token);
    expect(one.token?.length).toBeGreaterThanOrEqual(43);
    expect((await one.ask("/v1/runs?user=a", { headers: { Authorization: `Bearer ${two.token}` } })).status).toBe(401);
  });
});

describe("a connection", () => {
  it("gets what its request earned, however it is written", async () => {
    const { url, token } = await serving();
    const { host } = new URL(url);
    const head = `Host: ${host}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n`;
    expect(await raw(url, `GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 403/,
    );
    expect(await raw(url, `GET http://evil.example/v1/runs?user=a HTTP/1.1\r\n${head}\r\n`)).toMatch(
      /^HTTP\/1.1 (200|403)/,
    );
    expect(await raw(url, `GET /v1/runs?user=a HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 40[03]/,
    );
    expect(await raw(url, `GET /v1/../v1/runs?user=a HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1.1 200/);
    expect(await raw(url, `GET /healthz HTTP/1.1\r\n${head}X: ${"x".repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 400[\s\S]*application\/problem\+json[\s\S]*has more than 16384 bytes/,
    );
    expect(await raw(url, "nonsense\r\n\r\n")).toMatch(/^HTTP\/1.1 400[\s\S]*"code":"invalid_request"/);
  });

  it("that sends more than a body may have is refused before all of it came", async () => {
    const { url, token, runs } = await serving();
    const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => undefined);
    const answer = everything(socket);
    const { host } = new URL(url);
    socket.write(
      `POST /v1/runs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    let sent = 0;
    const chunk = `100000\r\n${" ".repeat(0x100000)}\r\n`;
    for (; sent < 64 && !socket.destroyed; sent += 1) {
      if (socket.write(chunk)) continue;
      await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
    }
    expect(sent).toBeLessThan(64);
    socket.destroy();
    expect(await answer).toMatch(/^HTTP\/1.1 413/);
    expect(runs.begun).toEqual([]);
  });

  it("that breaks off in the middle of a body, or sends none of what it said, begins no run", async () => {
    const { url, token, runs } = await serving();
    const { host } = new URL(url);
    const head = `POST /v1/runs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`;
    const body = '{"userId":"alice","code":"1"}';
    for (const sent of [`Content-Length: 100\r\n\r\n${body}`, `Transfer-Encoding: chunked\r\n\r\n5\r\n{"use`]) {
      const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => undefined);
      const answer = everything(socket);
      socket.write(head + sent);
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.destroy();
      expect(await answer).toBe("");
    }
    // In pieces, and all of it.
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const answer = everything(socket);
    for (const piece of [`${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`, ...body])
      socket.write(piece);
    await expect.poll(() => runs.begun.length).toBe(1);
    expect(runs.last.request).toMatchObject({ userId: "alice", code: "1" });
    await runs.last.end();
    expect(await answer).toMatch(/^HTTP\/1.1 200/);
  });

  it("to events that nobody reads is cut off, and makes room", async () => {
    const streams = new EventStreams({ stallMs: 300, heartbeatMs: 50 });
    const { url, token, start, runs } = await serving({ streams });
    await start(ASYNC);
    const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => undefined);
    const { host } = new URL(url);
    socket.write(
      `GET /v1/runs/${runs.last.runId}/events?user=alice HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    await expect.poll(() => streams.readers).toBe(1);
    socket.pause();
    const say = (text: string) => runs.last.events.emit({ type: "output", stream: "stdout", bytes: Buffer.from(text) });
    for (let count = 0; count < 400; count += 1) {
      say("x".repeat(100_000));
      await new Promise(setImmediate);
    }
    expect(streams.readers).toBe(1);
    await expect.poll(() => streams.readers, { timeout: 10_000 }).toBe(0);
    socket.destroy();
  });

  it("to any answer that nobody reads is cut off, and not one that waits for its run", async () => {
    const { url, token, start, runs } = await serving({ streams: new EventStreams({ stallMs: 300 }) });
    const waiting = start();
    await expect.poll(() => runs.begun.length).toBe(1);
    const { runId } = runs.last;
    const text = "x".repeat(30_000_000);
    await runs.last.end({
      output: {
        stdout: { text, bytes: text.length, truncated: false },
        stderr: { text: "", bytes: 0, truncated: false },
      },
    });
    await (await waiting).text();
    const socket = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => undefined);
    socket.write(
      `GET /v1/runs/${runId}?user=alice HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    await new Promise((resolve) => socket.once("readable", resolve));
    // Not a byte of it is taken.
    const closed = new Promise<true>((resolve) => socket.once("close", () => resolve(true)));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    let read = 0;
    socket.on("data", (chunk: Buffer) => {
      read += chunk.length;
    });
    await closed;
    expect(read).toBeLessThan(text.length);

    const second = start();
    await expect.poll(() => runs.begun.length).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await runs.last.end();
    expect((await second).status).toBe(200);
  });

  it("of a reader that left makes room", async () => {
    const streams = new EventStreams();
    const { ask, start, runs } = await serving({ streams });
    await start(ASYNC);
    const left = new AbortController();
    const response = await ask(`/v1/runs/${runs.last.runId}/events?user=alice`, { signal: left.signal });
    expect(response.status).toBe(200);
    expect(streams.readers).toBe(1);
    left.abort();
    await expect.poll(() => streams.readers).toBe(0);
    expect(runs.last.signal?.aborted).toBe(false);
  });
});

describe("the stop", () => {
  it("takes no more runs, lets those under way end, and answers whoever waits", async () => {
    const { ask, start, runs, stop, done } = await serving();
    const waiting = start();
    await expect.poll(() => runs.begun.length).toBe(1);
    const following = await ask(`/v1/runs/${runs.last.runId}/events?user=alice`);
    stop();
    await expect.poll(async () => (await ask("/readyz")).status).toBe(503);
    expect((await start()).status).toBe(503);
    await runs.last.end();
    expect(await jsonOf(await waiting)).toMatchObject({ status: "succeeded" });
    expect(await following.text()).toContain("event: run.finished");
    await done;
    await expect(ask("/healthz")).rejects.toThrow();
  });

  it("cancels what goes on for longer than it may", async () => {
    const { start, runs, stop, done, logged } = await serving({ drainMs: 50 });
    const waiting = start();
    await expect.poll(() => runs.begun.length).toBe(1);
    stop();
    expect(await jsonOf(await waiting)).toMatchObject({ status: "cancelled" });
    await done;
    expect(logged.join()).toContain("1 runs are cancelled");
  });
});
