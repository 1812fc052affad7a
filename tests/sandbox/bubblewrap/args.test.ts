// The arguments of the engine, and how it is started by whom. Pure parts; what they achieve is tested with the engine itself.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bwrapArguments, type SandboxArguments } from "../../../src/sandbox/bubblewrap/args.js";
import { canBeReadByAll, canReach } from "../../../src/sandbox/linux/access.js";
import { planLaunch } from "../../../src/sandbox/linux/launch.js";
import { readRootLayout } from "../../../src/sandbox/linux/root-layout.js";
import { tempDir } from "../../support/temp.js";
import { makeHost } from "../linux/host-tree.js";
import { isRoot } from "./bed.js";

const ARGUMENTS: SandboxArguments = {
  canDisableUserns: true,
  root: {
    links: [{ at: "/lib", to: "usr/lib" }],
    binds: [{ source: "/usr", dest: "/usr" }],
    readOnlyProc: ["/proc/sys"],
    coveredProc: ["/proc/keys"],
  },
  interpreter: { binds: ["/opt/py/lib"], links: [{ at: "/opt/python", to: "py" }] },
  python: "/opt/python/bin/python3",
  slotDir: "/slots/one",
  runnerPackage: "/package/iso_runner",
  etcFiles: [{ source: "/slots/engine/passwd", dest: "/etc/passwd" }],
  sourceOf: (path) => `/staged${path}`,
  tmpfsBytes: 1024,
};

function has(args: readonly string[], ...wanted: string[]): boolean {
  return args.some((_, at) => wanted.every((word, offset) => args[at + offset] === word));
}

describe("arguments", () => {
  const args = bwrapArguments(ARGUMENTS);

  it("always unshare, drop, detach and filter", () => {
    for (const flag of ["--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session"]) {
      expect(args).toContain(flag);
    }
    expect(args).toEqual(expect.arrayContaining(["--as-pid-1", "--clearenv"]));
    expect(has(args, "--cap-drop", "ALL")).toBe(true);
    expect(has(args, "--seccomp", "6")).toBe(true);
    expect(args).not.toContain("--share-net");
    expect(bwrapArguments({ ...ARGUMENTS, canDisableUserns: false })).not.toContain("--disable-userns");
  });

  it("bind one folder for writing, and close the root after all mounts", () => {
    expect(args.filter((word) => /^--(dev-)?bind(-try)?$/.test(word))).toEqual(["--bind"]);
    expect(has(args, "--bind", "/slots/one", "/sandbox")).toBe(true);
    const closing = args.lastIndexOf("--remount-ro");
    expect(args[closing + 1]).toBe("/");
    expect(args.slice(closing).some((word) => /bind|tmpfs|symlink/.test(word))).toBe(false);
  });

  it("bound the temporary file systems, and mount /tmp before what may lie below it", () => {
    expect(has(args, "--size", "1024", "--perms", "1777", "--tmpfs", "/tmp")).toBe(true);
    expect(has(args, "--size", "1024", "--perms", "1777", "--tmpfs", "/dev/shm")).toBe(true);
    expect(args.indexOf("/tmp")).toBeLessThan(args.indexOf("/opt/py/lib"));
  });

  it("show the interpreter at its own path, wherever the engine finds it", () => {
    expect(has(args, "--ro-bind", "/staged/opt/py/lib", "/opt/py/lib")).toBe(true);
    expect(has(args, "--symlink", "py", "/opt/python")).toBe(true);
    expect(args.slice(args.indexOf("--") + 1)).toEqual([
      "/opt/python/bin/python3",
      ...["-I", "-X", "utf8", "/runner/iso_runner", "--fd", "3"],
    ]);
  });
});

describe("the root of a host", () => {
  it("is links where /bin is merged into /usr, and folders where it is not", () => {
    const host = makeHost({
      "usr/bin/": "",
      "bin/": "",
      "lib64/": "",
      "etc/ld.so.cache": "",
      "etc/shadow": "",
      "proc/sys/": "",
      "proc/kcore": "",
    });
    const { binds, links, readOnlyProc, coveredProc } = readRootLayout(host.root);
    expect(binds.map(({ dest }) => dest)).toEqual(["/usr", "/bin", "/lib64", "/etc/ld.so.cache"]);
    expect(links).toEqual([]);
    expect([readOnlyProc, coveredProc]).toEqual([["/proc/sys"], ["/proc/kcore"]]);
  });
});

describe("the launch", () => {
  const base = {
    program: "/usr/bin/bwrap",
    descriptors: [3, 4, 5, 6],
    hostPython: "/usr/bin/python3",
    readOnly: [],
    writable: [],
  };
  const user = { uid: 4242, gid: 4242 };

  it("is the engine itself for an ordinary user", () => {
    const launch = planLaunch({ ...base, user, isRoot: false, writable: ["/anywhere/at/all"] });
    expect(launch.command(["--x"])).toEqual({ command: "/usr/bin/bwrap", args: ["--x"], as: null });
    expect(launch.sourceOf("/a")).toBe("/a");
  });

  it("is the engine as the sandbox's uid where that one can reach everything", () => {
    const launch = planLaunch({ ...base, user, isRoot: true, readOnly: ["/usr/bin"] });
    expect(launch.command([])).toEqual({ command: "/usr/bin/bwrap", args: [], as: user });
  });

  it("goes through the launcher where it cannot", () => {
    const closed = join(tempDir(), "closed");
    mkdirSync(join(closed, "slot"), { recursive: true });
    chmodSync(closed, 0o700);
    const launch = planLaunch({
      ...base,
      user,
      isRoot: true,
      readOnly: ["/usr/lib"],
      writable: [join(closed, "slot")],
    });
    expect([launch.sourceOf("/usr/lib"), launch.sourceOf(join(closed, "slot")), launch.sourceOf("/etc/x")]).toEqual([
      "/tmp/0",
      "/tmp/1",
      "/etc/x",
    ]);
    const { command, args, as } = launch.command(["--x"]);
    expect([command, as, args.slice(-2)]).toEqual(["/usr/bin/python3", null, ["/usr/bin/bwrap", "--x"]]);
    const descriptors = "3,4,5,6";
    expect(args.slice(3, 8)).toEqual(["4242", "4242", String(process.pid), descriptors, "/tmp"]);
    expect(args.slice(8, 13)).toEqual(["ro", "/usr/lib", "rw", join(closed, "slot"), "--"]);
  });

  it.each([0, 65_534])("never is as user %d of the host", (id) => {
    const plan = () => planLaunch({ ...base, user: { uid: id, gid: 4242 }, isRoot: true });
    expect(plan).toThrow(/never run as user or group/);
    expect(() => planLaunch({ ...base, user: { uid: 4242, gid: id }, isRoot: true })).toThrow(/never run/);
  });
});

describe.skipIf(!isRoot)("access of another user", () => {
  it("is judged by every folder above, and by who owns what", () => {
    const dir = tempDir();
    const file = join(dir, "a/b/file");
    mkdirSync(join(dir, "a/b"), { recursive: true });
    writeFileSync(file, "");
    chmodSync(dir, 0o755);
    const stranger = { uid: 4242, gid: 4242 };
    expect([canReach(stranger, file), canBeReadByAll(file), canBeReadByAll(dir)]).toEqual([true, true, true]);
    chmodSync(join(dir, "a"), 0o700);
    expect(canReach(stranger, file)).toBe(false);
    chmodSync(join(dir, "a"), 0o701);
    expect(canReach(stranger, file)).toBe(true);
    expect(canReach({ uid: 4242, gid: 0 }, file)).toBe(false);
    chmodSync(file, 0o640);
    chmodSync(dir, 0o754);
    expect([canBeReadByAll(file), canBeReadByAll(dir)]).toEqual([false, false]);
  });
});
