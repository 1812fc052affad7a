import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MiB } from "../../src/model/limits.js";
import { parseSize } from "../../src/settings/profiles.js";
import { addProfiles, loadSettings, resolveProfile, type SettingsFlags } from "../../src/settings/settings.js";
import { tempDir } from "../support/temp.js";

const BACKENDS = ["bubblewrap", "docker"];
const load = (flags: SettingsFlags = {}, env: Record<string, string> = {}, cwd = "/") =>
  loadSettings({ flags, env, cwd });

function configIn(dir: string, config: unknown): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "iso-runtime.config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return dir;
}

describe("loadSettings", () => {
  it("has the defaults of the specification", () => {
    const settings = load();
    const profile = settings.profiles.get("default");
    expect(profile?.limits).toEqual({
      ...{ memory: 512 * MiB, cpus: 1, processes: 128, openFiles: 1024, timeout: 60_000, fileSize: 100 * MiB },
      ...{ disk: 250 * MiB, files: 100_000, output: 4096 * MiB },
    });
    expect(settings.workspaceRoot).toMatch(/examples\/bundles\/data\/workspace$/);
    expect([settings.sandboxUid, settings.sandboxUids]).toEqual([10_001, null]);
  });

  it("takes a range of uids", () => {
    const { sandboxUids } = load({}, { ISO_RUNTIME_SANDBOX_UIDS: "70000-70000" });
    expect(sandboxUids).toEqual({ first: 70_000, last: 70_000 });
  });

  it("lets flags beat the environment, and that beat the config", () => {
    const dir = configIn(tempDir(), { defaultProfile: "docker" });
    const config = join(dir, "iso-runtime.config.json");
    expect(load({ config }).defaultProfile).toBe("docker");
    expect(load({ config }, { ISO_RUNTIME_PROFILE: "e" }).defaultProfile).toBe("e");
    expect(load({ config, profile: "f" }, { ISO_RUNTIME_PROFILE: "e" }).defaultProfile).toBe("f");
    expect(load({ workspaceRoot: "a" }, { ISO_RUNTIME_USER_WORKSPACE_ROOT: "/b" }, "/c").workspaceRoot).toBe("/c/a");
    expect(load({}, { ISO_RUNTIME_USER_WORKSPACE_ROOT: "/b" }).workspaceRoot).toBe("/b");
  });

  it("takes limits from a config that it finds, and nothing else", () => {
    const limits = configIn(tempDir(), { profiles: { default: { memory: "64MiB", timeout: 0.5 } } });
    expect(load({}, {}, limits).profiles.get("default")?.limits).toMatchObject({ memory: 64 * MiB, timeout: 500 });
    for (const key of [
      { python: "/x" },
      { image: "x" },
      { runtime: "x" },
      { backend: "docker" },
      { env: { A: "b" } },
      { packages: ["x"] },
    ]) {
      const dir = configIn(tempDir(), { profiles: { default: key } });
      expect(() => load({}, {}, dir)).toThrow(/limits only/);
      expect(() => load({ config: join(dir, "iso-runtime.config.json") }, {}, dir)).not.toThrow();
    }
  });

  it("says how many versions are kept, but not in a config that it finds", () => {
    expect(load().versions).toEqual({ keep: 20, maxBytes: 1024 * MiB });
    expect(load({ config: { versions: { keep: 0 } } }).versions).toEqual({ keep: 0, maxBytes: 1024 * MiB });
    expect(load({ config: { versions: { bytes: "3MiB" } } }, { ISO_RUNTIME_VERSIONS: "7" }).versions).toEqual({
      ...{ keep: 7, maxBytes: 3 * MiB },
    });
    const found = configIn(tempDir(), { versions: { keep: 0 } });
    expect(() => load({}, {}, found)).toThrow(/versions: .*limits only/);
    for (const versions of [
      { keep: -1 },
      { keep: 1.5 },
      { keep: 1001 },
      { bytes: "many" },
      { bytes: -1 },
      { other: 1 },
    ])
      expect(() => load({ config: { versions } as never }), JSON.stringify(versions)).toThrow(/versions\./);
    for (const variable of ["-1", "x", "1001", "1.5"])
      expect(() => load({}, { ISO_RUNTIME_VERSIONS: variable }), variable).toThrow(/ISO_RUNTIME_VERSIONS/);
  });

  it("takes names of secrets from a config that was named", () => {
    expect(load().secretNames).toEqual([]);
    expect(load({ config: { redaction: { names: ["SHIBBOLETH"] } } }).secretNames).toEqual(["SHIBBOLETH"]);
    const found = configIn(tempDir(), { redaction: { names: ["x"] } });
    expect(() => load({}, {}, found)).toThrow(/redaction: .*limits only/);
    expect(() => load({ config: { redaction: { names: [""] } } })).toThrow(/redaction\.names/);
  });

  it("takes the key of the receipts from the environment, else from a config that was named", () => {
    const dir = configIn(tempDir(), { receipts: { key: "/k" } });
    const config = join(dir, "iso-runtime.config.json");
    expect(load().receiptsKey).toBeNull();
    expect(load({ config }).receiptsKey).toBe("/k");
    expect(load({ config }, { ISO_RUNTIME_RECEIPTS_KEY: "e" }, "/here").receiptsKey).toBe("/here/e");
    expect(() => load({}, {}, dir)).toThrow(/receipts: .*limits only/);
    expect(() => load({ config: { receipts: { key: "k" } } })).toThrow(/absolute path/);
  });

  it("refuses a config below a root: a program may have written it", () => {
    const root = tempDir();
    const dir = configIn(join(root, "w/user/out"), {});
    expect(() => load({ workspaceRoot: join(root, "w") }, {}, dir)).toThrow(/below the root/);
  });

  it.each<[string, unknown, RegExp]>([
    ["no JSON", "{", /JSON/],
    ["an unknown key", { colour: 1 }, /colour/],
    ["an unknown key of a profile", { profiles: { a: { speed: 1 } } }, /profiles\.a\.speed/],
    ["a size of words", { profiles: { a: { memory: "much" } } }, /profiles\.a\.memory/],
    ["too little memory", { profiles: { a: { memory: 5 } } }, /profiles\.a\.memory/],
    ["a timeout of no time", { profiles: { a: { timeout: 0 } } }, /profiles\.a\.timeout/],
    ["an image that is no name", { profiles: { a: { image: "a/../../x?y=" } } }, /profiles\.a\.image/],
    ["a runtime that is no name", { profiles: { a: { runtime: "../x" } } }, /profiles\.a\.runtime/],
    ["half a process", { profiles: { a: { processes: 4.5 } } }, /profiles\.a\.processes/],
    ["a network", { profiles: { a: { network: "all" } } }, /network/],
    ["a reserved variable", { profiles: { a: { env: { PYTHONPATH: "x" } } } }, /reserved/],
    ["raw engine arguments", { profiles: { a: { args: ["--privileged"] } } }, /profiles\.a\.args/],
  ])("names %s", (_name, config, sentence) => {
    const file = join(configIn(tempDir(), config), "iso-runtime.config.json");
    expect(() => load({ config: file })).toThrow(
      expect.objectContaining({ code: "config_invalid", message: expect.stringMatching(sentence) }),
    );
  });

  it.each([
    [{ ISO_RUNTIME_SANDBOX_UID: "0" }, /SANDBOX_UID/],
    [{ ISO_RUNTIME_SANDBOX_UID: "65534" }, /SANDBOX_UID/],
    [{ ISO_RUNTIME_SANDBOX_UID: "0x2711" }, /SANDBOX_UID/],
    [{ ISO_RUNTIME_SANDBOX_UID: "-1" }, /SANDBOX_UID/],
    [{ ISO_RUNTIME_SANDBOX_UIDS: "70000" }, /SANDBOX_UIDS/],
    [{ ISO_RUNTIME_SANDBOX_UIDS: "0-10" }, /SANDBOX_UIDS/],
    [{ ISO_RUNTIME_SANDBOX_UIDS: "70001-70000" }, /SANDBOX_UIDS/],
    [{ ISO_RUNTIME_SANDBOX_UIDS: "1-4000000000" }, /SANDBOX_UIDS/],
    [{ ISO_RUNTIME_SANDBOX_UIDS: "70000-70001,9" }, /SANDBOX_UIDS/],
    [{ ISO_RUNTIME_DOCKER_HOST_PATH_MAP: "a=b" }, /PATH_MAP/],
  ])("names a variable that is wrong: %j", (env, sentence) => {
    expect(() => load({}, env)).toThrow(sentence);
  });
});

describe("a config file", () => {
  it.each<[string, (dir: string) => string]>([
    ["a folder", (dir) => dir],
    ["a device that never ends", () => "/dev/zero"],
    ["a pipe that nobody writes", (dir) => fifoIn(dir)],
    ["a file that is not there", (dir) => join(dir, "nope.json")],
    ["a file too large to be one", (dir) => sized(join(dir, "large.json"), MiB + 1)],
  ])("is refused where it is %s", (_name, place) => {
    expect(() => load({ config: place(tempDir()) })).toThrow(expect.objectContaining({ code: "config_invalid" }));
  });

  it("may begin with an editor's mark, and must be UTF-8", () => {
    const file = join(tempDir(), "own.json");
    writeFileSync(file, '\uFEFF{ "profiles": { "default": { "timeout": 2 } } }');
    expect(load({ config: file }).profiles.get("default")?.limits.timeout).toBe(2000);
    writeFileSync(file, Buffer.from('{ "defaultProfile": "caf\xe9" }', "latin1"));
    expect(() => load({ config: file })).toThrow(/own\.json: it is no UTF-8/);
    writeFileSync(file, "[]");
    expect(() => load({ config: file })).toThrow(/own\.json: it must be an object, not a list/);
  });

  it("has limits in whole units", () => {
    const limits = load({ config: { profiles: { default: { timeout: 1.1 } } } }).profiles.get("default")?.limits;
    expect(limits?.timeout).toBe(1100);
    expect(() => load({ config: { profiles: { a: { disk: 1.5 } } } })).toThrow(/profiles\.a\.disk/);
  });
});

function fifoIn(dir: string): string {
  const path = join(dir, "pipe");
  execFileSync("mkfifo", [path]);
  return path;
}

function sized(path: string, bytes: number): string {
  writeFileSync(path, " ".repeat(bytes));
  return path;
}

describe("resolveProfile", () => {
  it("keeps a profile's backend: the environment replaces only auto, a caller must not contradict it", () => {
    const environment = load({}, { ISO_RUNTIME_BACKEND: "bubblewrap" });
    expect(resolveProfile(environment, {}, BACKENDS).backend).toBe("bubblewrap");
    expect(resolveProfile(environment, { profile: "docker" }, BACKENDS).backend).toBe("docker");
    expect(resolveProfile(load(), { backend: "docker" }, BACKENDS).backend).toBe("docker");
    expect(() => resolveProfile(load(), { profile: "docker", backend: "bubblewrap" }, BACKENDS)).toThrow(
      /is for docker/,
    );
    expect(() => resolveProfile(load({ backend: "bubblewrap" }), { profile: "docker" }, BACKENDS)).toThrow(
      /is for docker/,
    );
  });

  it("lists what there is for a name nobody knows", () => {
    expect(() => resolveProfile(load(), { profile: "nope" }, BACKENDS)).toThrow(/"nope".*default, docker/);
    expect(() => resolveProfile(load(), { backend: "nope" }, BACKENDS)).toThrow(/"nope".*bubblewrap, docker/);
    expect(() => resolveProfile(load({}, { ISO_RUNTIME_BACKEND: "nope" }), {}, BACKENDS)).toThrow(/"nope"/);
    const moon = load({ config: { profiles: { m: { backend: "moon" } } } });
    expect(() => resolveProfile(moon, { profile: "m" }, BACKENDS)).toThrow(/"moon"/);
  });

  it("takes a bundle's profiles, but the user's own first", () => {
    const settings = load({ config: { profiles: { small: { memory: "32MiB" } } } });
    addProfiles(settings, { small: { memory: "64MiB" }, other: { memory: "64MiB" } }, "bundle");
    expect(resolveProfile(settings, { profile: "small" }, BACKENDS).limits.memory).toBe(32 * MiB);
    expect(resolveProfile(settings, { profile: "other" }, BACKENDS).limits.memory).toBe(64 * MiB);
  });
});

describe("parseSize", () => {
  it.each([
    ["512MiB", 512 * MiB],
    ["1.5 GB", 1_500_000_000],
    ["1000", 1000],
    ["1K", 1024],
    ["", null],
    ["MiB", null],
    ["5 parsecs", null],
    ["-1", null],
    ["1e9", null],
  ])("%j is %j", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it("gives a whole number of bytes or null for any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        [null, true].includes(parseSize(text) === null ? null : Number.isInteger(parseSize(text))),
      ),
    );
  });
});
