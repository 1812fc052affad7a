// A mistake in each flag and field: exit 2, one sentence that names it, a whole document with --json, and nothing on disk has changed.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRuntime } from "../../src/index.js";
import { runCli } from "../support/cli.js";
import { startService } from "../support/service.js";
import { tempDir } from "../support/temp.js";

const code = ["-c", "print(1)"];
const FLAGS: [string, string[], RegExp][] = [
  ["no source", [], /FILE.*-c.*--scenario/],
  ["two sources", [...code, "--scenario", "0"], /FILE.*-c.*--scenario|one of/],
  ["a file that is not there", ["missing.py"], /missing\.py/],
  ["an unknown flag", [...code, "--colour"], /--colour/],
  ["an empty user", [...code, "-u", ""], /user/i],
  ["a user ..", [...code, "--user", ".."], /user/i],
  ["a turn with a slash", [...code, "--turn", "a/b"], /turn/i],
  ["a contract without =", [...code, "--contract", "a.txt"], /--contract/],
  ["a contract outside", [...code, "--contract", "../a=b"], /contract/],
  ["a contract file that is not there", [...code, "--contract-file", "missing.json"], /--contract-file|missing\.json/],
  ["a contract and side effects", [...code, "--contract", "a=b", "--side-effects"], /--side-effects/],
  ["a timeout of words", [...code, "--timeout", "soon"], /--timeout/],
  ["a timeout of zero", [...code, "--timeout", "0"], /timeout/i],
  ["a timeout of days", [...code, "--timeout", "86401"], /timeout/i],
  ["an unknown profile", [...code, "--profile", "nope"], /nope/],
  ["an unknown backend", [...code, "--backend", "nope"], /nope/],
  ["a backend against the profile", [...code, "--profile", "docker", "--backend", "bubblewrap"], /backend/],
  ["tools that are not there", [...code, "--tools", "missing.mjs"], /missing\.mjs/],
  ["a bundle that is not there", [...code, "--bundle", "missing"], /missing/],
  ["an environment without =", [...code, "--env", "A"], /--env/],
  ["a reserved variable", [...code, "--env", "PATH=/x"], /PATH/],
  ["an unknown sync", [...code, "--sync", "often"], /sync/],
  ["json with events", [...code, "--json", "--events"], /--events/],
  ["an unknown scenario", ["--scenario", "99"], /99/],
  ["words for a scenario", ["--scenario", "dance"], /dance/],
  ["an unknown requirement", [...code, "--require", "magic"], /magic/],
  ["a flag for a user", [...code, "--user", "--sync", "never"], /--user <id>' argument missing: --sync/],
  ["two snippets", [...code, "-c", "print(2)"], /-c <code>.*given twice/],
  ["a variable twice", [...code, "--env", "A=1", "--env", "A=2"], /--env A: it is given twice/],
  ["a device for a file", ["/dev/zero"], /no regular file; pipe it in/],
  ["a config that is not there", [...code, "--config", "missing.json"], /missing\.json/],
];

describe("a mistake on the command line", () => {
  it.each(FLAGS)("%s", async (_name, args, sentence) => {
    const roots = tempDir();
    const plain = await runCli(["run", ...args], { roots });
    expect(plain.status, plain.stdout + plain.stderr).toBe(2);
    expect(plain.stderr + plain.stdout).toMatch(sentence);
    expect(plain.stderr + plain.stdout).not.toMatch(/^\s+at .*\.js:\d+/m);
    if (!args.includes("--events")) {
      const json = await runCli(["run", ...args, "--json"], { roots });
      expect(json.status).toBe(2);
      expect(JSON.parse(json.stdout)).toMatchObject({
        schema: "iso-runtime/run-result@1",
        ok: false,
        status: "rejected",
      });
    }
    expect(existsSync(join(roots, "workspace"))).toBe(false);
    expect(existsSync(join(roots, "sandbox"))).toBe(false);
  });

  it.each<[string, unknown, RegExp]>([
    ["an unknown key", { colour: "red" }, /colour/],
    ["an unknown key of a profile", { profiles: { a: { speed: 1 } } }, /speed/],
    ["a size of words", { profiles: { a: { memory: "much" } } }, /memory/],
    ["a backend nobody knows", { profiles: { a: { backend: "moon" } } }, /moon/],
    ["a network", { profiles: { a: { network: "all" } } }, /network/],
    ["a default that is not there", { defaultProfile: "b" }, /b/],
  ])("%s in the config", async (_name, config, sentence) => {
    const roots = tempDir();
    mkdirSync(join(roots, "cwd"));
    writeFileSync(join(roots, "cwd/my.json"), JSON.stringify(config));
    const found = await runCli(["run", ...code, "--config", "my.json", "--json"], { roots, cwd: join(roots, "cwd") });
    expect(found.status, found.stdout).toBe(2);
    expect(JSON.parse(found.stdout).error.message).toMatch(sentence);
    expect(existsSync(join(roots, "workspace"))).toBe(false);
  });
});

/** One of each flag, and of what a flag alone cannot tell. */
const SERVE: [string[], RegExp][] = [
  [["--host", "example.org"], /--host: "example.org" is no IP address/],
  [["--host", "0.0.0.0"], /--host: "0.0.0.0" is no address of this host alone, and there is no key yet/],
  [["--port", "65536"], /--port: "65536" must be a whole number up to 65535/],
  [["--port", "-1"], /--port: "-1" must be/],
  [["--drain", "soon"], /--drain: "soon" must be/],
  [["--allow-host", "https://api.example.org"], /--allow-host: "https:.* is no name\[:port\]/],
  [["--allow-host", "a.example", "--allow-host", ""], /--allow-host/],
  [["--concurrency", "0"], /--concurrency: "0" must be a whole number from 1 to 1024/],
  [["--concurrency-per-user", "1.5"], /--concurrency-per-user: "1.5" must be/],
  [["--queue", "1e3"], /--queue: "1e3" must be a whole number up to 100000/],
  [["--queue-per-user", "100001"], /--queue-per-user: "100001" must be/],
  [["--rate", "10"], /--rate: "10" must be runs by a unit of time, as 10\/s/],
  [["--rate", "0/s"], /--rate: "0\/s" must be/],
  [["--storage", "much"], /--storage: "much" must be a number of bytes, or a text like 2GiB/],
  [["--keep-days", "-1"], /--keep-days: "-1" must be/],
  [["--keep-runs", "1234567890"], /--keep-runs: "1234567890" must be/],
  [["--keep-bytes", "0"], /--keep-bytes: "0" must be/],
  [["--profile", "nope"], /nope/],
  [["--backend", "moon"], /moon/],
  [["--tools", "missing.mjs"], /missing\.mjs/],
  [["--bundle", "missing"], /missing/],
  [["--config", "missing.json"], /--config: there is no file/],
  [["--log", "xml"], /--log: "xml" must be one of text, json, off/],
  [["--log-level", "loud"], /--log-level: "loud" must be one of debug, info, warn, error/],
  [["--drian", "1"], /unknown option '--drian'.*--drain/],
  [["--port", "--drain"], /--port <number>' argument missing: --drain is a flag/],
  [["8321"], /too many arguments/],
];

describe("a mistake of serve", () => {
  it.each(SERVE)("ends it before it begins: %j", async (flags, sentence) => {
    const roots = tempDir();
    const port = flags.includes("--port") ? [] : ["--port", "0"];
    const { status, stdout, stderr } = await runCli(["serve", "--json", ...port, ...flags], { roots });
    expect(status, stdout + stderr).toBe(2);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/^\s+at .*\.js:\d+/m);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { message: expect.stringMatching(sentence) } });
    expect(readdirSync(roots)).toEqual([]);
  });

  it("is looked for in each flag that there is", async () => {
    const { stdout } = await runCli(["serve", "--help"], { roots: tempDir() });
    const flags = new Set(stdout.match(/(?<=^ {2}(?:-\w, )?)--[a-z-]+/gm));
    expect(flags.size).toBeGreaterThan(15);
    const tried = new Set(SERVE.map(([[flag]]) => flag));
    expect([...flags].filter((flag) => !tried.has(flag))).toEqual(["--json", "--help"]);
  });

  it("is a port that is taken", async () => {
    const roots = tempDir();
    const { url } = await startService({ roots });
    const { status, stderr } = await runCli(["serve", "--port", new URL(url).port], { roots });
    expect([status, stderr]).toEqual([2, expect.stringMatching(/cannot listen.*in use.*\n.*--port/)]);
  });
});

describe("a mistake beside run", () => {
  it.each<[string[], RegExp]>([
    [
      ["nope", "--json"],
      /unknown command 'nope'. There are: run, scenarios, doctor, bench, serve, keys, receipts, workspace, daemon, help/,
    ],
    [["Run", "-c", "1", "--json"], /unknown command 'Run'/],
    [["--json", "run", "-c", "1"], /unknown option '--json'. Flags follow the command/],
    [["run", "--jsn", "--json"], /unknown option '--jsn' \(Did you mean --json\?\)/],
    [["scenarios", "--json", "--bogus"], /unknown option '--bogus'/],
    [["scenarios", "--json", "--bundle", "missing"], /missing: there is no such folder/],
    [["scenarios", "--bundle", "--json"], /--bundle <dir>' argument missing/],
    [["doctor", "more", "--json"], /too many arguments/],
    [["doctor", "--json", "--backend", "moon"], /no backend "moon"/],
    [["doctor", "--json", "--profile", "default"], /--profile: it says how attacks are run/],
    [["doctor", "--json", "--require", "seccomp"], /--require: it says how attacks are run/],
    [["doctor", "--attack", "--json", "--fix"], /--fix: it mends what attacks would find/],
    [
      ["doctor", "--attack", "--json", "--backend", "moon"],
      /no backend "moon". There are: auto, zygote, bubblewrap, docker/,
    ],
    [["doctor", "--attack", "--json", "--profile", "moon"], /no profile "moon". There are: default, docker/],
    [["doctor", "--attack", "--json", "--profile", ""], /--profile: it must not be empty/],
    [["doctor", "--attack", "--json", "--require", "moon"], /"moon" is not a known requirement/],
    [["doctor", "--attack", "--json", "--config", "missing.json"], /there is no file/],
  ])("is one document too: %j", async (args, sentence) => {
    const { status, stdout, stderr } = await runCli(args, { roots: tempDir() });
    expect(status).toBe(2);
    expect(stderr).toMatch(sentence);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { message: expect.stringMatching(sentence) } });
  });

  it("has help at hand", async () => {
    const roots = tempDir();
    expect((await runCli(["help", "run"], { roots })).stdout).toBe((await runCli(["run", "--help"], { roots })).stdout);
    expect(await runCli(["help", "nope"], { roots })).toMatchObject({ status: 2, stdout: "" });
  });
});

describe("a mistake in the library", () => {
  it("is a rejected result for each field, and touches nothing", async () => {
    const roots = tempDir();
    await using runtime = await createRuntime({
      workspaceRoot: join(roots, "workspace"),
      sandboxRoot: join(roots, "sandbox"),
    });
    const good = { userId: "a", code: "print(1)" };
    const wrong: [string, object, string][] = [
      ["invalid_user_id", { ...good, userId: "a\n" }, "user"],
      ["invalid_user_id", { ...good, userId: " " }, "user"],
      ["contract_invalid", { ...good, contract: [] }, "contract"],
      ["contract_invalid", { ...good, contract: [{ path: "/etc/x", description: "d" }] }, "contract"],
      ["contract_invalid", { ...good, contract: "x" }, "contract"],
      ["unknown_profile", { ...good, profile: "nope" }, "nope"],
      ["invalid_request", { ...good, timeoutMs: -1 }, "timeoutMs"],
      ["unknown_scenario", { userId: "a", scenario: "scenario 77" }, "scenario 77"],
    ];
    for (const [errorCode, request, word] of wrong) {
      const result = await runtime.run(request as Parameters<typeof runtime.run>[0]);
      expect(result, JSON.stringify(result.error)).toMatchObject({
        status: "rejected",
        error: { code: errorCode },
        sandbox: null,
        paths: null,
      });
      expect(result.error?.message).toContain(word);
    }
    expect(existsSync(join(roots, "workspace"))).toBe(false);
    await expect(runtime.run(null as never)).rejects.toThrow(TypeError);
    await runtime.close();
    await expect(runtime.run(good)).rejects.toThrow("closed");
  });
});
