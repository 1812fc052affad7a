// The resident engine: what it does is what the command line would have done itself, and where it cannot be trusted it is not asked.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type CliOptions, type CliResult, runCli, startCli } from "../support/cli.js";
import { leftOver } from "../support/processes.js";
import { tempDir } from "../support/temp.js";

const IS_ROOT = process.getuid?.() === 0;
const started: CliOptions[] = [];

interface Engine {
  pid: number;
  runs: number;
  served: number;
  name: string;
}

async function start(options: CliOptions, ...args: string[]): Promise<Engine> {
  started.push(options);
  const { status, stdout, stderr } = await runCli(["daemon", "start", "--json", ...args], options);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout).engine;
}

async function engineOf(options: CliOptions): Promise<Engine | null> {
  const { status, stdout } = await runCli(["daemon", "status", "--json"], options);
  const { engine } = JSON.parse(stdout);
  expect(status).toBe(engine === null ? 1 : 0);
  return engine;
}

/** Until it is so; the test's own limit ends what never is. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(50);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const folderOf = ({ roots }: CliOptions): string => join(roots, "sandbox/.iso-runtime/daemon");
const json = ({ stdout }: CliResult) => JSON.parse(stdout);

afterEach(async () => {
  for (const options of started.splice(0)) await runCli(["daemon", "stop", "--all"], options);
});

describe("a run with a resident engine", () => {
  it.each<[string, number, string[]]>([
    ["success", 1, ["-c", "print(1)"]],
    [
      "arguments and variables",
      1,
      ["-c", "import os, sys; print(os.environ['A'], sys.argv)", "--env", "A=b", "--", "x", "--json"],
    ],
    ["a failure of the program", 1, ["-c", "1/0"]],
    ["exit code 3 of the program", 1, ["-c", "raise SystemExit(3)"]],
    ["an unmet contract", 1, ["-c", "", "--contract", "a.txt=the file"]],
    ["a timeout", 1, ["-c", "while True: pass", "--timeout", "0.5"]],
    ["a scenario", 1, ["--scenario", "3"]],
    ["a requirement that there is not", 1, ["-c", "", "--require", "backend:nothing"]],
    ["a field at fault", 0, ["-c", "", "--workspace", "A B"]],
    ["a profile that there is not", 0, ["-c", "", "--profile", "none"]],
    ["a backend that there is not", 0, ["-c", "", "--backend", "none"]],
  ])("has the same document and exit status: %s", async (_name, served, args) => {
    const options = { roots: tempDir() };
    await start(options);
    const flags = ["--json", "--turn", "one", ...args];
    const own = await runCli(["run", "--no-daemon", ...flags], options);
    expect(await engineOf(options)).toMatchObject({ served: 0 });
    const resident = await runCli(["run", ...flags], options);
    expect(resident.status, resident.stderr).toBe(own.status);
    expect(comparable(json(resident))).toEqual(comparable(json(own)));
    expect(await engineOf(options)).toMatchObject({ served });
  });

  it("tells its events as they come, numbered without a gap", async () => {
    const options = { roots: tempDir() };
    await start(options);
    const { stdout, status } = await runCli(["run", "-", "--events"], { ...options, stdin: "print('from stdin')" });
    expect(status).toBe(0);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.find(({ type }) => type === "output")).toMatchObject({ text: "from stdin\n" });
    expect(events.at(-1)).toMatchObject({ type: "run.finished", result: { ok: true } });
    expect(await engineOf(options)).toMatchObject({ served: 1, runs: 0 });
  });

  it("passes much output on in order, to a reader that gets all of it", async () => {
    const options = { roots: tempDir() };
    await start(options);
    const { stdout } = await runCli(["run", "-c", "for n in range(200000): print(n)", "--events"], options);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const text = events
      .filter(({ type }) => type === "output")
      .map((event) => event.text)
      .join("");
    expect(text).toBe(Array.from({ length: 200_000 }, (_, n) => `${n}\n`).join(""));
  });

  it("is cancelled by a signal: the document is printed, what was written is kept", async () => {
    const options = { roots: tempDir() };
    await start(options);
    const { child, done } = startCli(["run", "-c", WRITES_AND_WAITS, "--events"], options);
    await ready(child.stdout);
    child.kill("SIGINT");
    const { status, stdout } = await done;
    expect(status).toBe(130);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ result: { status: "cancelled" } });
    expect(readFileSync(join(options.roots, "workspace/local/out/kept.txt"), "utf8")).toBe("kept");
  });

  it("is cancelled where its caller is killed", async () => {
    const options = { roots: tempDir() };
    await start(options);
    const { child, done } = startCli(["run", "-c", WRITES_AND_WAITS, "--events"], options);
    await ready(child.stdout);
    expect(await engineOf(options)).toMatchObject({ runs: 1 });
    child.kill("SIGKILL");
    await done;
    await until(async () => (await engineOf(options))?.runs === 0);
  });

  it("has a true ending where the engine is killed, and the next runs without it", async () => {
    const options = { roots: tempDir() };
    const { pid } = await start(options);
    const { child, done } = startCli(["run", "-c", WRITES_AND_WAITS, "--events"], options);
    await ready(child.stdout);
    process.kill(pid, "SIGKILL");
    const { status, stdout } = await done;
    expect(status).toBe(1);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.at(-1)).toMatchObject({
      ...{ type: "run.finished", runId: events[0].runId },
      result: {
        ok: false,
        status: "failed",
        runId: events[0].runId,
        error: { code: "interrupted" },
        workspace: { synced: false },
      },
    });
    // Its socket is still there, and nobody listens.
    expect(readdirSync(folderOf(options))).toHaveLength(1);
    expect(existsSync(join(options.roots, "workspace/local/out/kept.txt"))).toBe(false);
    expect((await runCli(["run", "-c", "print(1)"], options)).status).toBe(0);
    expect(await leftOver(join(options.roots, "sandbox"))).toEqual([]);
    expect((await start(options)).pid).not.toBe(pid);
    expect((await runCli(["run", "-c", "print(1)"], options)).status).toBe(0);
    expect(await engineOf(options)).toMatchObject({ served: 1 });
  });
});

describe("an engine of another configuration", () => {
  it.each<[string, (roots: string) => { args?: string[]; env?: Record<string, string>; cwd?: string }]>([
    ["--no-daemon", () => ({ args: ["--no-daemon"] })],
    ["another config", (roots) => ({ args: ["--config", file(roots, "c.json", "{}")] })],
    [
      "a config in the current folder",
      (roots) => ({ cwd: join(file(roots, "here/iso-runtime.config.json", "{}"), "..") }),
    ],
    [
      "tools of one's own",
      (roots) => ({ args: ["--tools", file(roots, "tools.mjs", "export default { tools: [] };")] }),
    ],
    [
      "the same by the environment",
      (roots) => ({ env: { ISO_RUNTIME_TOOLS: file(roots, "t.mjs", "export default { tools: [] };") } }),
    ],
    ["another search path", () => ({ env: { PATH: `/nowhere:${process.env.PATH}` } })],
    ["another limit of versions", () => ({ env: { ISO_RUNTIME_VERSIONS: "3" } })],
  ])("is not asked: %s", async (_name, other) => {
    const options = { roots: tempDir() };
    await start(options);
    const { args = [], ...rest } = other(options.roots);
    const { status, stderr } = await runCli(["run", "-c", "print(1)", ...args], { ...options, ...rest });
    expect(status, stderr).toBe(0);
    expect(await engineOf(options)).toMatchObject({ served: 0 });
  });

  it("is another one after its roots were removed, and ends as nobody finds it", async () => {
    const options = { roots: tempDir() };
    const { pid } = await start(options);
    rmSync(join(options.roots, "sandbox"), { recursive: true });
    rmSync(join(options.roots, "workspace"), { recursive: true });
    expect((await runCli(["run", "-c", "print(1)"], options)).status).toBe(0);
    await until(() => !isAlive(pid));
  });
});

describe("a socket that is not to be trusted", () => {
  it.runIf(IS_ROOT).each<[string, (folder: string, name: string) => void]>([
    ["a folder of another user", (folder) => chownSync(folder, 12_345, 12_345)],
    ["a folder that others may enter", (folder) => chmodSync(folder, 0o711)],
    ["a socket of another user", (folder, name) => chownSync(join(folder, name), 12_345, 12_345)],
  ])("is not asked: %s", async (_name, spoil) => {
    const options = { roots: tempDir() };
    const { pid, name } = await start(options);
    spoil(folderOf(options), name);
    expect((await runCli(["run", "-c", "print(1)"], options)).status).toBe(0);
    expect(await engineOf(options)).toBeNull();
    chownSync(folderOf(options), 0, 0);
    chmodSync(folderOf(options), 0o700);
    chownSync(join(folderOf(options), name), 0, 0);
    expect(await engineOf(options)).toMatchObject({ pid, served: 0 });
  });

  it.runIf(IS_ROOT)("is not reached by another user", async () => {
    const options = { roots: tempDir() };
    const { name } = await start(options);
    chmodSync(options.roots, 0o755);
    const connect = `require("net").connect(${JSON.stringify(join(folderOf(options), name))}).on("error", (e) => console.log(e.code)).on("connect", () => { console.log("connected"); process.exit(); })`;
    const as = ["--reuid", "12345", "--regid", "12345", "--clear-groups", process.execPath, "-e", connect];
    expect(execFileSync("setpriv", as, { encoding: "utf8", cwd: "/" }).trim()).toBe("EACCES");
  });

  it.each<[string, (socket: Socket, name: string) => void]>([
    [
      "speaks another protocol",
      (socket, name) => socket.write(`${JSON.stringify({ t: "ready", protocol: 2, name })}\n`),
    ],
    ["is of another name", (socket) => socket.write(`${JSON.stringify({ t: "ready", protocol: 1, name: "other" })}\n`)],
    ["speaks nonsense", (socket) => socket.write("hello\n")],
    ["never speaks", () => undefined],
    ["leaves", (socket) => socket.destroy()],
  ])("is left alone where what listens %s", async (_name, greet) => {
    const options = { roots: tempDir() };
    const { name } = await start(options);
    await runCli(["daemon", "stop"], options);
    const asked: string[] = [];
    const server = createServer((socket) => {
      socket.on("data", (bytes) => asked.push(bytes.toString())).on("error", () => undefined);
      greet(socket, name);
    });
    await new Promise<void>((resolve) => server.listen(join(folderOf(options), name), resolve));
    const { status, stdout } = await runCli(["run", "-c", "print(1)", "--json"], options);
    server.close();
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    expect(asked).toEqual([]);
  });
});

describe("the life of an engine", () => {
  it("is started once, looked at and stopped", async () => {
    const options = { roots: tempDir() };
    expect(await engineOf(options)).toBeNull();
    const { pid } = await start(options);
    expect(await start(options)).toMatchObject({ pid });
    const { stdout } = await runCli(["daemon", "stop"], options);
    expect(stdout).toContain(String(pid));
    expect(await engineOf(options)).toBeNull();
    expect(readdirSync(folderOf(options))).toEqual([]);
    await until(() => !isAlive(pid));
    expect(await leftOver(join(options.roots, "sandbox"))).toEqual([]);
    expect((await runCli(["daemon", "stop"], options)).status).toBe(0);
  });

  it("ends when it was idle for long enough", async () => {
    const options = { roots: tempDir() };
    const { pid } = await start(options, "--idle", "0.2");
    await until(() => !isAlive(pid));
    expect(readdirSync(folderOf(options))).toEqual([]);
  });

  it("brings what runs to its end before it stops", async () => {
    const options = { roots: tempDir() };
    await start(options);
    const code = 'import time\nprint("ready", flush=True)\ntime.sleep(1)\nprint("done")';
    const { child, done } = startCli(["run", "-c", code, "--events"], options);
    await ready(child.stdout);
    await runCli(["daemon", "stop"], options);
    const { status, stdout } = await done;
    expect(status).toBe(0);
    expect(stdout).toContain("done");
  });

  it("cancels what runs when it gets a signal", async () => {
    const options = { roots: tempDir() };
    const { pid } = await start(options);
    const { child, done } = startCli(["run", "-c", WRITES_AND_WAITS, "--events"], options);
    await ready(child.stdout);
    process.kill(pid, "SIGTERM");
    const { status, stdout } = await done;
    expect(status).toBe(130);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ result: { status: "cancelled" } });
    await until(() => !isAlive(pid));
    expect(await leftOver(join(options.roots, "sandbox"))).toEqual([]);
  });

  it("has no variable of its starter's that it does not need, and writes down none of a run's", async () => {
    const options = { roots: tempDir(), env: { MY_SECRET: "s3cret-of-the-shell" } };
    const { pid } = await start(options);
    const { status } = await runCli(["run", "-c", "print(1)", "--env", "TOKEN=s3cret-of-the-run"], options);
    expect(status).toBe(0);
    expect(await engineOf(options)).toMatchObject({ served: 1 });
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("s3cret");
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).not.toContain("s3cret");
    // It ends with 1 where it finds nothing.
    const grep = spawnSync("grep", ["-rl", "--devices=skip", "s3cret", options.roots], { encoding: "utf8" });
    expect([grep.status, grep.stdout]).toEqual([1, ""]);
  });

  it("says why it cannot be started", async () => {
    const options = { roots: tempDir() };
    const bad = await runCli(["daemon", "start", "--json", "--config", "/nope.json"], options);
    expect(bad.status).toBe(2);
    expect(json(bad)).toMatchObject({ ok: false, error: { code: "config_invalid" } });
    const idle = await runCli(["daemon", "start", "--idle", "soon"], options);
    expect(idle.status).toBe(2);
    expect(idle.stderr).toMatch(/^iso-runtime: --idle: "soon"/);
  });
});

const WRITES_AND_WAITS =
  'import os, time\nopen(os.environ["OUTPUT_DIR"] + "/kept.txt", "w").write("kept")\nprint("ready", flush=True)\ntime.sleep(600)';

function file(roots: string, name: string, text: string): string {
  const path = join(roots, name);
  execFileSync("mkdir", ["-p", join(path, "..")]);
  writeFileSync(path, text);
  return path;
}

function ready(stdout: NodeJS.ReadableStream | null): Promise<void> {
  return new Promise((resolve) => {
    let seen = "";
    stdout?.on("data", (text: string) => {
      seen += text;
      if (seen.includes("ready")) resolve();
    });
  });
}

/** A result without what differs from run to run. */
function comparable(result: Record<string, unknown>): unknown {
  const { runId, timings, usage, sandbox, diagnostics, toolCalls, workspace, changes, contract, totals, ...rest } =
    result;
  const told = diagnostics as { infraLog: string };
  return {
    ...rest,
    keys: Object.keys(result),
    ran: [timings === null, usage === null, sandbox === null, typeof runId],
    profile: sandbox && (sandbox as { profile: string }).profile,
    diagnostics: { ...told, infraLog: told.infraLog === "", tree: null },
    contract: (contract as { path: string; status: string }[]).map(({ path, status }) => [path, status]),
    calls: (toolCalls as { toolId: string; ok: boolean }[]).map(({ toolId, ok }) => [toolId, ok]),
    kept: (workspace as { reason?: string }).reason,
    lists: [Object.keys(changes as object), Object.keys(totals as object)],
  };
}
