import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, duplexPair } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { type ChannelHandlers, openChannel, readHello } from "../../../src/sandbox/protocol/channel.js";
import { ProtocolError } from "../../../src/sandbox/protocol/codec.js";
import { HEADER_BYTES, type Job, type ProgramMessage } from "../../../src/sandbox/protocol/frames.js";

const HELLO = { protocol: 1, python: { path: "/usr/bin/python3", version: "3.11.2" }, pid: 1, cgroup: null };
const EXIT = {
  exitCode: 0,
  stopped: false,
  signal: null,
  usage: { cpuMs: 1, maxRssBytes: 2, processes: null },
  kernel: { oomKills: null, processHits: null },
};

function frame(kind: string, payload: unknown): Buffer {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(bytes.length, 0);
  header.write(kind, 4, "latin1");
  return Buffer.concat([header, bytes]);
}

/** Records every event; `over` settles with the channel's end. */
function recorder(): { handlers: ChannelHandlers; events: unknown[]; over: Promise<Error | null> } {
  const events: unknown[] = [];
  let end: (error: Error | null) => void = () => undefined;
  const over = new Promise<Error | null>((resolve) => {
    end = resolve;
  });
  const handlers: ChannelHandlers = {
    begun: () => events.push("begun"),
    output: (stream, bytes) => events.push([stream, bytes.toString()]),
    programMessage: (message) => events.push(message),
    badProgramMessage: () => events.push("bad message"),
    trace: (bytes) => events.push(["trace", bytes.toString()]),
    problem: (problem) => events.push(problem),
    exit: (exit) => events.push(exit),
    closed: (error) => end(error),
  };
  return { handlers, events, over };
}

/** What a channel makes of these bytes, and the error it ended with. */
async function hear(...frames: Buffer[]): Promise<{ events: unknown[]; error: Error | null }> {
  const [host, runner] = duplexPair();
  const { handlers, events, over } = recorder();
  openChannel(host, handlers);
  runner.resume();
  runner.end(Buffer.concat(frames));
  return { events, error: await over };
}

describe("openChannel", () => {
  it("hands on each frame in order", async () => {
    const call = { t: "call", id: "1", tool_id: "a.b", params: {}, reason: null };
    const { events, error } = await hear(
      frame("B", {}),
      frame("O", Buffer.from("out")),
      frame("E", Buffer.from("err")),
      frame("L", Buffer.from("log")),
      frame("C", call),
      frame("C", { t: "verdict" }),
      frame("P", { stage: "s", message: "m" }),
      frame("T", Buffer.from("stack")),
      frame("X", EXIT),
    );
    expect(error).toBeNull();
    expect(events).toEqual([
      "begun",
      ["stdout", "out"],
      ["stderr", "err"],
      ["log", "log"],
      call,
      "bad message",
      { stage: "s", message: "m" },
      ["trace", "stack"],
      EXIT,
    ]);
  });

  it("gives everybody else a turn within a flood of messages, and loses none of it nor its order", async () => {
    const [host, runner] = duplexPair();
    const { handlers, events, over } = recorder();
    let turns = 0;
    let flooded = true;
    const count = () => {
      turns += 1;
      if (flooded) setImmediate(count);
    };
    setImmediate(count);
    openChannel(host, handlers);
    runner.resume();
    const warnings = Array.from({ length: 3200 }, (_, line) => ({ t: "warning", message: "m", line }));
    runner.end(Buffer.concat([frame("B", {}), ...warnings.map((warning) => frame("C", warning)), frame("X", EXIT)]));
    expect(await over).toBeNull();
    flooded = false;
    expect(events).toEqual(["begun", ...warnings, EXIT]);
    expect(turns).toBeGreaterThanOrEqual(49);
  });

  it("listens to nothing after the exit", async () => {
    const { events, error } = await hear(
      frame("X", EXIT),
      frame("X", { ...EXIT, exitCode: 1 }),
      frame("Z", {}),
      Buffer.from("x"),
    );
    expect({ events, error }).toEqual({ events: [EXIT], error: null });
  });

  it.each([
    ["a second begin", [frame("B", {}), frame("B", {})]],
    ["a message before the begin", [frame("C", { t: "warning", message: "m", line: null })]],
    ["a bad message before the begin", [frame("C", {})]],
    ["a hello that was read already", [frame("H", HELLO)]],
  ])("ends the conversation at %s", async (_, frames) => {
    expect((await hear(...frames, frame("X", EXIT))).error).toMatchObject({ reason: "bad_order" });
  });

  it("wants the hello first where it is to hear it", async () => {
    const [host, runner] = duplexPair();
    const { handlers, over } = recorder();
    const heard: unknown[] = [];
    openChannel(host, { ...handlers, hello: (hello) => heard.push(hello) });
    runner.write(frame("H", HELLO));
    runner.end(frame("H", HELLO));
    expect(await over).toMatchObject({ reason: "bad_order" });
    expect(heard).toEqual([HELLO]);

    const second = recorder();
    const [host2, runner2] = duplexPair();
    openChannel(host2, { ...second.handlers, hello: () => undefined });
    runner2.end(frame("B", {}));
    expect(await second.over).toMatchObject({ reason: "bad_order" });
  });

  it("tells an end inside a frame from one between two", async () => {
    expect((await hear(frame("B", {}))).error).toBeNull();
    expect((await hear(frame("O", Buffer.from("abc")).subarray(0, 6))).error).toMatchObject({ reason: "truncated" });
  });

  it("reports a stream that was over before", async () => {
    const [host] = duplexPair();
    host.destroy();
    const { handlers, over } = recorder();
    openChannel(host, handlers);
    expect(await over).toBeNull();
  });

  it("reports the stream's own error", async () => {
    const [host] = duplexPair();
    const { handlers, over } = recorder();
    openChannel(host, handlers);
    host.destroy(new Error("engine lost"));
    expect(await over).toMatchObject({ message: "engine lost" });
  });

  it("says nothing after close", async () => {
    const [host, runner] = duplexPair();
    const { handlers, events, over } = recorder();
    const channel = openChannel(host, {
      ...handlers,
      begun: () => {
        events.push("begun");
        channel.close();
      },
    });
    runner.on("error", () => undefined).write(Buffer.concat([frame("B", {}), frame("O", Buffer.from("late"))]));
    await new Promise((resolve) => host.once("close", resolve));
    channel.sendStop({ reason: "late", trace: false, graceMs: 0 });
    channel.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual(["begun"]);
    expect(await Promise.race([over, "open"])).toBe("open");
  });

  it("turns an answer that cannot be sent into one that can", () => {
    const sent: string[] = [];
    const host = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, done) => {
        sent.push(chunk.toString("utf8", HEADER_BYTES));
        done();
      },
    });
    const channel = openChannel(host, recorder().handlers);
    for (const ret of [1n, "x".repeat(9_000_000), JSON.parse("[".repeat(100) + "]".repeat(100))]) {
      channel.sendAnswer({ id: "7", ok: true, ret });
    }
    expect(sent.map((text) => JSON.parse(text))).toEqual(
      Array(3).fill({ id: "7", ok: false, error: { code: "result_invalid", message: expect.any(String) } }),
    );
    expect(channel.bytesSent).toBe(sent.reduce((sum, text) => sum + Buffer.byteLength(text) + HEADER_BYTES, 0));
    channel.close();
  });

  it("keeps results for a program that is slow, refuses what would be too many, and lets a stop overtake them", async () => {
    const frames: { kind: string; body: { id: string; error?: { code: string } } }[] = [];
    const dones: (() => void)[] = [];
    const host = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, done) => {
        frames.push({ kind: chunk.toString("latin1", 4, 5), body: JSON.parse(chunk.toString("utf8", HEADER_BYTES)) });
        dones.push(done);
      },
    });
    const channel = openChannel(host, recorder().handlers);
    const ids = Array.from({ length: 20 }, (_, id) => String(id));
    for (const id of ids) channel.sendAnswer({ id, ok: true, ret: "x".repeat(4_000_000) });
    channel.sendStop({ reason: "timeout", trace: true, graceMs: 1 });
    for (let done = dones.shift(); done !== undefined; done = dones.shift()) {
      done();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(frames.map(({ kind }) => kind).join("")).toBe(`AS${"A".repeat(19)}`);
    const answers = frames.filter(({ kind }) => kind === "A").map(({ body }) => body);
    expect(answers.map(({ id }) => id)).toEqual(ids);
    expect(answers.map(({ error }) => error?.code).filter(Boolean)).toEqual(Array(3).fill("too_many_calls"));
    channel.close();
  });

  it("lets go of a runner that does not read", async () => {
    const host = new Duplex({ read: () => undefined, write: () => undefined });
    const { handlers, over } = recorder();
    const channel = openChannel(host, handlers);
    const error = { code: "x", message: "x".repeat(60_000) };
    for (let id = 0; id < 2000; id += 1) channel.sendAnswer({ id: String(id), ok: false, error });
    expect(await over).toMatchObject({ reason: "overflow" });
    expect(channel.bytesSent).toBeLessThanOrEqual(80 * 1024 * 1024);
  });
});

describe("readHello", () => {
  it("takes the hello alone, however it is split", async () => {
    const bytes = Buffer.concat([frame("H", HELLO), frame("B", {}), frame("X", EXIT)]);
    for (const size of [1, 3, 7, 1000]) {
      const [host, runner] = duplexPair();
      for (let at = 0; at < bytes.length; at += size) runner.write(bytes.subarray(at, at + size));
      expect(await readHello(host, 20_000)).toEqual(HELLO);
      const { handlers, events, over } = recorder();
      openChannel(host, handlers);
      runner.resume();
      runner.end();
      expect(await over).toBeNull();
      expect(events).toEqual(["begun", EXIT]);
    }
  });

  it.each([
    ["another frame", frame("B", {}), "bad_order"],
    ["a problem", frame("P", { stage: "supervisor", message: "no memory" }), "bad_order"],
    ["rubbish", Buffer.from("Traceback (most recent call last)"), "unknown_kind"],
    ["half a hello", frame("H", HELLO).subarray(0, 20), "truncated"],
    ["nothing", Buffer.alloc(0), "truncated"],
    ["another protocol", frame("H", { ...HELLO, protocol: 9 }), "bad_schema"],
  ])("refuses %s", async (_, bytes, reason) => {
    const [host, runner] = duplexPair();
    runner.end(bytes);
    await expect(readHello(host, 20_000)).rejects.toMatchObject({ name: "ProtocolError", reason });
  });

  it("waits no longer than it was told", async () => {
    const [host] = duplexPair();
    await expect(readHello(host, 1)).rejects.toBeInstanceOf(ProtocolError);
  });
});

describe("with the real runner", () => {
  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const act of undo.splice(0)) act();
  });

  function start(): { duplex: Duplex; child: ChildProcess; job: (code: string) => Job } {
    const dir = mkdtempSync(join(tmpdir(), "iso-channel-"));
    const runner = fileURLToPath(new URL("../../../python/iso_runner", import.meta.url));
    const work = join(dir, "work");
    const out = join(dir, "out");
    mkdirSync(work);
    mkdirSync(out);
    const child = spawn("python3", ["-I", "-X", "utf8", runner], { stdio: ["pipe", "pipe", "inherit"] });
    undo.push(() => {
      child.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    });
    const limits = { openFiles: 128, fileSize: 1_000_000, processes: null, addressSpace: null };
    const ids = { runId: "r", turnId: "t", userId: "u" };
    const tools = [{ alias: "local_tools", tools: [{ name: "echo", params: ["text"], doc: "" }] }];
    return {
      duplex: Duplex.from({ readable: child.stdout, writable: child.stdin }),
      child,
      job: (code) => ({ code, ...ids, args: [], env: {}, stdin: null, work, out, cwd: work, limits, tools }),
    };
  }

  it("runs a program that calls a tool", async () => {
    const { duplex, child, job } = start();
    const hello = await readHello(duplex, 20_000);
    expect(hello.pid).toBe(child.pid);
    const { handlers, events, over } = recorder();
    const channel = openChannel(duplex, {
      ...handlers,
      programMessage: (message: ProgramMessage) => {
        if (message.t === "call") channel.sendAnswer({ id: message.id, ok: true, ret: message.params });
      },
    });
    channel.sendJob(job("print((await local_tools.echo('hi'))['text'])"));
    expect(await over).toBeNull();
    expect(events).toMatchObject(["begun", ["stdout", "hi\n"], { exitCode: 0, signal: null }]);
  });

  it("stops a program where it stands", async () => {
    const { duplex, job } = start();
    await readHello(duplex, 20_000);
    const { handlers, events, over } = recorder();
    const channel = openChannel(duplex, {
      ...handlers,
      output: () => channel.sendStop({ reason: "timeout", trace: true, graceMs: 100 }),
      trace: (bytes) => events.push(bytes.toString()),
    });
    channel.sendJob(job("print('on')\nwhile True: pass"));
    await over;
    // The stop may find it still inside of the print.
    expect(events.join("")).toMatch(/main\.py", line [12] in <module>/);
    expect(events.at(-1)).toMatchObject({ exitCode: null, signal: "SIGTERM" });
  });
});
