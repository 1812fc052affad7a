// Which Python is taken, what of it a sandbox gets to see, and what is said of those that cannot be used.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { KnownFacts } from "../../../src/sandbox/known-facts.js";
import { keepCompiled } from "../../../src/sandbox/linux/compiled-packages.js";
import { findInterpreter, type Interpreter } from "../../../src/sandbox/linux/interpreter.js";
import { interpreterMounts } from "../../../src/sandbox/linux/interpreter-mounts.js";
import { ask } from "../../../src/sandbox/linux/spawn.js";
import { tempDir } from "../../support/temp.js";
import { makeBackend, makeContext, makeProfile, printedJson, run, SYSTEM_PATH } from "../bubblewrap/bed.js";

const SYSTEM = "/usr/bin/python3";
const find = (chosen: string | null, searchPath = SYSTEM_PATH, packages: string[] = []) =>
  findInterpreter({ chosen, searchPath, packages });

function script(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function makeVenv(dir: string, python = SYSTEM): Promise<string> {
  const { exitCode, stderr } = await ask(python, ["-m", "venv", "--without-pip", dir], { timeoutMs: 60_000 });
  expect([exitCode, stderr]).toEqual([0, ""]);
  return join(dir, "bin/python3");
}

describe("finding", () => {
  it("takes the first usable one of the search path, through shims, past what is none", async () => {
    const dir = tempDir();
    script(join(dir, "broken/python3"), "echo no version is set >&2; exit 1");
    script(
      join(dir, "old/python3"),
      `echo '{"executable":"/x","version":[3,8,1],"prefix":"/x","basePrefix":"/x","execPrefix":"/x","standardLibrary":"/x","missing":[]}'`,
    );
    script(join(dir, "shim/python3"), `exec ${SYSTEM} "$@"`);
    const searchPath = ["relative", join(dir, "empty"), join(dir, "broken"), join(dir, "old"), join(dir, "shim")].join(
      ":",
    );
    expect(await find(null, searchPath)).toMatchObject({ executable: SYSTEM, prefix: "/usr" });
  });

  it("finds the system's without any search path", async () => {
    expect((await find(null, "")).executable).toBe(SYSTEM);
  });

  it("finds a chosen name in the search path", async () => {
    expect((await find("python3")).executable).toBe(SYSTEM);
  });

  it.each([
    ["/nonexistent/python3", /does not run/],
    ["/usr/bin/true", /is no Python/],
    ["./python3", /not found/],
  ])("refuses %s", async (chosen, message) => {
    await expect(find(chosen)).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(message),
    });
  });

  it("refuses an old one by its version, and says what would do", async () => {
    const old = script(
      join(tempDir(), "python3"),
      `echo '{"executable":"/x","version":[3,8,1],"prefix":"/x","basePrefix":"/x","execPrefix":"/x","standardLibrary":"/x","missing":[]}'`,
    );
    const error: unknown = await find(old).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      message: expect.stringMatching(/3\.8\.1; 3\.9 or newer/),
      hint: expect.stringContaining(SYSTEM),
    });
  });

  it("names packages that are missing with the command that installs them", async () => {
    await expect(find(SYSTEM, SYSTEM_PATH, ["no-such-dist", "other.none"])).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringMatching(/no-such-dist, other\.none are not installed/),
      hint: `${SYSTEM} -m pip install no-such-dist other.none`,
    });
  });

  it("looks again when another interpreter lies in its place", async () => {
    const place = join(tempDir(), "python3");
    const told = (version: string) =>
      script(
        place,
        `echo '{"executable":"${place}","version":[${version}],"prefix":"/x","basePrefix":"/x","execPrefix":"/x","standardLibrary":"/x","missing":[]}'`,
      );
    told("3,12,1");
    expect((await find(place)).version).toBe("3.12.1");
    unlinkSync(place);
    told("3,13,0");
    expect((await find(place)).version).toBe("3.13.0");
    unlinkSync(place);
    await expect(find(place)).rejects.toThrow(/does not run/);
  });

  it("looks again after it found nothing", async () => {
    const path = join(tempDir(), "python3");
    await expect(find(path)).rejects.toThrow(/does not run/);
    script(path, `exec ${SYSTEM} "$@"`);
    expect((await find(path)).executable).toBe(SYSTEM);
  });
});

describe("what an earlier process was told", () => {
  const file = () => join(tempDir(), "facts.json");
  /** Each asker is a process of its own, as far as facts go: the wish has a name of its own. */
  let asks = 0;
  const findWith = (chosen: string, facts: string) =>
    findInterpreter({ chosen, searchPath: `/nowhere/${asks++}`, packages: [], facts: new KnownFacts(facts) });
  /** What is kept, with another version, so that what is believed can be told from what was asked. */
  const pretend = (facts: string) =>
    writeFileSync(facts, readFileSync(facts, "utf8").replace(/"version":\[3,\d+,\d+\]/, '"version":[3,98,7]'));

  it("is believed of the very program, and not of another in its place", async () => {
    const [facts, env] = [file(), tempDir()];
    const python = await makeVenv(env);
    const { version } = await findWith(python, facts);
    pretend(facts);
    expect((await findWith(python, facts)).version).toBe("3.98.7");
    // Made anew, as by an upgrade.
    writeFileSync(join(env, "pyvenv.cfg"), `${readFileSync(join(env, "pyvenv.cfg"), "utf8")}\n`);
    expect((await findWith(python, facts)).version).toBe(version);
    pretend(facts);
    const target = realpathSync(python);
    unlinkSync(python);
    copyFileSync(target, python);
    expect((await findWith(python, facts)).version).toBe(version);
  });

  it("is not kept of a script, which may ask another one the next time", async () => {
    const facts = file();
    await findWith(script(join(tempDir(), "python3"), `exec ${SYSTEM} "$@"`), facts);
    await findWith(script(join(tempDir(), "python3"), `exec bash -c 'exec -a "$0" ${SYSTEM} "$@"' "$0" "$@"`), facts);
    expect(existsSync(facts)).toBe(false);
  });

  it("is asked again where it is nonsense", async () => {
    const facts = file();
    const { version } = await findWith(SYSTEM, facts);
    writeFileSync(facts, readFileSync(facts, "utf8").replace(/"version":\[3,\d+,\d+\]/, '"version":"new"'));
    expect((await findWith(SYSTEM, facts)).version).toBe(version);
  });
});

describe("compiled packages", () => {
  it("are kept beside the sources once, and again where one is newer", async () => {
    const folder = tempDir();
    cpSync("python", folder, { recursive: true, filter: (path) => !path.includes("__pycache__") });
    const interpreter = await find(SYSTEM);
    const compiled = join(folder, `iso_zygote/__pycache__/slot.${interpreter.cacheTag}.pyc`);
    await keepCompiled(interpreter, folder);
    const { mtimeMs } = statSync(compiled);
    expect(existsSync(join(folder, `iso_runner/__pycache__/kernel.${interpreter.cacheTag}.pyc`))).toBe(true);
    // Once per process and folder: by another name it is another's.
    const again = join(tempDir(), "again");
    symlinkSync(folder, again);
    await keepCompiled(interpreter, again);
    expect(statSync(compiled).mtimeMs).toBe(mtimeMs);
    // Python compares contents, not times: that of another source is not run.
    expect(readFileSync(compiled).readUInt32LE(4)).toBe(0b11);
    const soon = new Date(Date.now() + 5_000);
    utimesSync(join(folder, "iso_zygote/slot.py"), soon, soon);
    const third = join(tempDir(), "third");
    symlinkSync(folder, third);
    await keepCompiled(interpreter, third);
    expect(statSync(compiled).mtimeMs).toBeGreaterThan(mtimeMs);
  });

  it.runIf(process.getuid?.() === 0)("are not left in another user's folder", async () => {
    const folder = tempDir();
    cpSync("python", folder, { recursive: true, filter: (path) => !path.includes("__pycache__") });
    for (const name of ["iso_runner", "iso_zygote"]) chownSync(join(folder, name), 12_345, 12_345);
    await keepCompiled(await find(SYSTEM), folder);
    expect(existsSync(join(folder, "iso_runner/__pycache__"))).toBe(false);
  });
});

describe("what is mounted", () => {
  const describeAt = (prefix: string, changes: Partial<Interpreter> = {}): Interpreter => ({
    executable: join(prefix, "bin/python3"),
    version: "3.12.1",
    prefix,
    basePrefix: prefix,
    execPrefix: prefix,
    standardLibrary: join(prefix, "lib/python3.12"),
    ...changes,
  });
  const makePrefix = (prefix: string) => {
    mkdirSync(join(prefix, "lib/python3.12"), { recursive: true });
    script(join(prefix, "bin/python3"), "true");
    writeFileSync(join(prefix, ".env"), "SECRET=1");
    return prefix;
  };

  it("is nothing for the system's own", async () => {
    expect(interpreterMounts(await find(SYSTEM))).toEqual({ binds: [], links: [] });
  });

  it("is only what Python needs of a prefix, never what lies beside it", () => {
    const prefix = makePrefix(join(realpathSync(tempDir()), "project"));
    expect(interpreterMounts(describeAt(prefix))).toEqual({
      binds: [join(prefix, "bin"), join(prefix, "lib")],
      links: [],
    });
  });

  it("follows every link on the way to the real one, also of folders and in chains", () => {
    const root = realpathSync(tempDir());
    const real = makePrefix(join(root, "pythons/cpython-3.12.1"));
    symlinkSync("cpython-3.12.1", join(root, "pythons/cpython-3.12"));
    const venv = join(root, "venv");
    mkdirSync(join(venv, "bin"), { recursive: true });
    writeFileSync(join(venv, "pyvenv.cfg"), "");
    symlinkSync(join(root, "pythons/cpython-3.12/bin/python3"), join(venv, "bin/python"));
    symlinkSync("python", join(venv, "bin/python3"));
    const basePrefix = join(root, "pythons/cpython-3.12");
    const mounts = interpreterMounts(
      describeAt(venv, { basePrefix, execPrefix: venv, standardLibrary: join(basePrefix, "lib/python3.12") }),
    );
    expect(mounts).toEqual({
      binds: [join(real, "bin"), join(real, "lib"), join(venv, "bin"), join(venv, "pyvenv.cfg")],
      links: [{ at: join(root, "pythons/cpython-3.12"), to: "cpython-3.12.1" }],
    });
  });

  it("is never a folder as broad as a home's parent", () => {
    const broad = { prefix: "/", basePrefix: "/", execPrefix: "/", standardLibrary: "/var" };
    expect(() => interpreterMounts(describeAt("/usr", broad))).toThrow(/the whole of \/var/);
  });
});

describe("a sandbox", () => {
  const REPORT = "import json, sys\nprint(json.dumps([sys.executable, sys.prefix, sys.version_info[:2] >= (3, 9)]))";

  it("runs a virtual environment that only we can enter, with what is installed in it", async () => {
    const closed = join(realpathSync(tempDir()), "closed");
    mkdirSync(closed, { mode: 0o700 });
    const venv = join(closed, "venv");
    const python = await makeVenv(venv);
    const { stdout } = await ask(python, ["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], {
      timeoutMs: 20_000,
    });
    writeFileSync(join(stdout.trim(), "only_here.py"), "VALUE = 41\n");
    writeFileSync(join(closed, "secret"), "x");
    const context = makeContext({ python });
    const code = `import only_here, os\nassert only_here.VALUE == 41\nassert not os.path.exists(${JSON.stringify(join(closed, "secret"))})\n${REPORT}`;
    expect(printedJson(await run(makeBackend(context), context, code))).toEqual([python, venv, true]);
  });

  it("runs the profile's Python rather than the operator's", async () => {
    const context = makeContext({ python: "/nonexistent" });
    const ran = await run(makeBackend(context), context, REPORT, makeProfile({}, { python: SYSTEM }));
    expect(printedJson(ran)).toEqual([SYSTEM, "/usr", true]);
  });

  const path = process.env.PATH ?? SYSTEM_PATH;

  it("runs the first Python of this machine's own search path, whatever it is", async () => {
    const context = makeContext({ python: null, searchPath: path });
    const { executable, prefix } = await find(null, path);
    const ran = await run(makeBackend(context), context, REPORT);
    expect(printedJson(ran)).toEqual([executable, prefix, true]);
  });

  it("is refused before anything is made when a package is missing", async () => {
    const boot = makeBackend().boot(makeProfile({}, { packages: ["no-such-dist"] }));
    await expect(boot).rejects.toMatchObject({
      code: "sandbox_unavailable",
      hint: expect.stringContaining("-m pip install no-such-dist"),
    });
  });
});
