// What a program finds when it looks around, tries what it should not, and looks for others.
import { readdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { BubblewrapBackend } from "../../../src/sandbox/bubblewrap/backend.js";
import { suiteDir } from "../../support/temp.js";
import {
  hostUidOf,
  isRoot,
  makeBackend,
  makeContext,
  makeProfile,
  makeRunDir,
  printedJson,
  run,
  SANDBOX_UID,
  start,
} from "./bed.js";

const Found = z.object({
  environment: z.record(z.string(), z.string()),
  status: z.record(z.string(), z.string()),
  roots: z.array(z.string()),
  home: z.array(z.string()),
  pids: z.array(z.number()),
  interfaces: z.array(z.string()),
  namespaces: z.record(z.string(), z.string()),
  written: z.record(z.string(), z.string().nullable()),
  readable: z.array(z.string()),
  attempts: z.record(z.string(), z.string().nullable()),
  libc: z.record(z.string(), z.string()),
  works: z.record(z.string(), z.unknown()),
});

const LOOK_AROUND = String.raw`
import ctypes, errno, json, os, socket, subprocess, sys, threading
libc = ctypes.CDLL(None, use_errno=True)

def named(error): return errno.errorcode.get(error, str(error))
def attempt(act):
    try: act()
    except OSError as error: return named(error.errno)
    return None
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *args)
    return named(ctypes.get_errno()) if result == -1 else "ok"
def write(path): open(path, "r+b" if os.path.isfile(path) else "wb").close()
def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(2)
        s.connect(address)

PATHS = ["/x", "/usr/x", "/etc/passwd", "/runner/x", "/dev/x", "/sandbox/x", "/proc/sys/kernel/core_pattern",
         "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/mem", "/sys/kernel", "/tmp/x", "/dev/shm/x",
         os.environ["OUTPUT_DIR"] + "/x", os.environ["WORKDIR"] + "/x", os.path.dirname(os.__file__) + "/x"]
SECRET = ["/etc/shadow", "/root/.ssh", "/home", "/var", "/work", "/run", "/proc/1/environ", "/proc/kcore", "/dev/kmsg",
          "/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/sys", "/boot", "/mnt"]
x64 = os.uname().machine == "x86_64"
number = lambda x, a: x if x64 else a
CLONE_NEWUSER = 0x10000000

def threads():
    together = threading.Barrier(100)
    group = [threading.Thread(target=together.wait, daemon=True) for _ in range(100)]
    for t in group: t.start()
    for t in group: t.join()
    return len(group)

def loopback():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0)); server.listen()
        with socket.create_connection(server.getsockname(), 5): return True

print(json.dumps({
    "environment": dict(os.environ),
    "status": dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line),
    "roots": sorted(os.listdir("/")),
    "home": sorted(os.listdir("/sandbox")),
    "pids": sorted(int(n) for n in os.listdir("/proc") if n.isdigit()),
    "interfaces": sorted(line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line),
    "namespaces": {n: os.readlink("/proc/self/ns/" + n) for n in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")},
    "written": {path: attempt(lambda: write(path)) for path in PATHS},
    "readable": [path for path in SECRET if os.access(path, os.R_OK) and (not os.path.isfile(path) or open(path, "rb").read(1))],
    "attempts": {
        "outside": attempt(lambda: connect(socket.AF_INET, ("203.0.113.1", 80))),
        "netlink": attempt(lambda: socket.socket(16, 3)),
        "packet": attempt(lambda: socket.socket(17, 3)),
        "vsock": attempt(lambda: socket.socket(40, 1)),
        "raw": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        "setuid": attempt(lambda: os.setuid(0)),
        "chown": attempt(lambda: (open("/tmp/mine", "w").close(), os.chown("/tmp/mine", 0, 0))),
        "device": attempt(lambda: os.mknod("/tmp/null", 0o020666, os.makedev(1, 3))),
        "fifo": attempt(lambda: os.mkfifo("/tmp/fifo")),
        "kill supervisor": attempt(lambda: os.kill(1, 9)),
    },
    "libc": {
        "unshare": call(number(272, 97), CLONE_NEWUSER),
        "clone": call(number(56, 220), CLONE_NEWUSER | 17, 0, 0, 0, 0),
        "clone3": call(435, 0, 0),
        "mount": call(number(165, 40), b"none", b"/tmp", b"tmpfs", 0, 0),
        "open_tree": call(428, -100, b"/", 1),
        "ptrace": call(number(101, 117), 0, 0, 0, 0),
        "keyctl": call(number(250, 219), 0, -3, 0),
        "bpf": call(number(321, 280), 0, 0, 0),
        "io_uring_setup": call(425, 8, 0),
        "perf_event_open": call(number(298, 241), 0, 0, 0, 0, 0),
        "personality": call(number(135, 92), 0xffffffff),
        "prlimit64 of the supervisor": call(number(302, 261), 1, 0, ctypes.byref((ctypes.c_ulong * 2)(0, 0)), None),
        "future": call(490),
    },
    "works": {
        "threads": threads(),
        "subprocess": subprocess.run(["/bin/sh", "-c", "echo $((6 * 7))"], capture_output=True, text=True).stdout,
        "python": subprocess.run([sys.executable, "-c", "print(1 + 1)"], capture_output=True, text=True).stdout,
        "loopback": loopback(),
        "host": socket.gethostname(),
        "user": __import__("pwd").getpwuid(os.getuid()).pw_name,
        "socketpair": [len(socket.socketpair())],
        "pool": __import__("multiprocessing").get_context("fork").Pool(2).map(abs, [-1, 2]),
    },
}))
`;

const RESTRICTED_IN_PROC = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname"];

describe("a program that looks around", () => {
  let found: z.infer<typeof Found>;
  const secret = `secret-${process.pid}`;

  const root = suiteDir();

  beforeAll(async () => {
    process.env.ISO_TEST_SECRET = secret;
    const context = makeContext({}, root);
    const backend = new BubblewrapBackend(context);
    try {
      found = Found.parse(printedJson(await run(backend, context, LOOK_AROUND)));
    } finally {
      delete process.env.ISO_TEST_SECRET;
      await backend.close();
    }
  });

  it("has nothing of the host's environment", () => {
    expect(JSON.stringify(found.environment)).not.toContain(secret);
    expect(found.environment).toMatchObject({ HOME: "/tmp", OUTPUT_DIR: "/sandbox/out", WORKDIR: "/sandbox/work" });
  });

  it("has no capability, no new privileges and the filter on", () => {
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) expect(found.status[set]).toMatch(/^0+$/);
    expect(found.status).toMatchObject({ NoNewPrivs: "1", Seccomp: "2" });
  });

  it("sees only what it was given", () => {
    const given = [
      "bin",
      "dev",
      "etc",
      "lib",
      "lib32",
      "lib64",
      "libx32",
      "proc",
      "runner",
      "sandbox",
      "sbin",
      "tmp",
      "usr",
    ];
    expect(found.roots.filter((name) => !given.includes(name))).toEqual([]);
    expect(found.home).toEqual(["out", "work"]);
    expect(found.readable).toEqual([]);
    expect(found.pids.every((pid) => pid < 40)).toBe(true);
    expect(found.pids[0]).toBe(1);
    expect(found.interfaces).toEqual(["lo"]);
  });

  it("is in namespaces of its own", () => {
    for (const [name, inside] of Object.entries(found.namespaces)) {
      expect(inside).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
    }
  });

  it("can write to its two folders and temporary ones, and nowhere else", () => {
    const writable = Object.keys(found.written).filter((path) => found.written[path] === null);
    const expected = ["/dev/shm/x", "/sandbox/out/x", "/sandbox/work/x", "/tmp/x"];
    // Where the host is no root, the folder that holds the two is the caller's own, as they are.
    if (!isRoot) expected.push("/sandbox/x");
    expect(writable.sort()).toEqual(expected.sort());
    for (const path of RESTRICTED_IN_PROC) expect(found.written[path]).toMatch(/EROFS|EACCES/);
  });

  it("reaches nobody and becomes nobody else", () => {
    expect(found.attempts).toMatchObject({
      outside: "ENETUNREACH",
      netlink: "EAFNOSUPPORT",
      packet: "EAFNOSUPPORT",
      vsock: "EAFNOSUPPORT",
      raw: "ESOCKTNOSUPPORT",
      fifo: null,
      "kill supervisor": null,
    });
    for (const refused of ["setuid", "chown", "device"]) expect(found.attempts[refused]).toMatch(/EPERM|EINVAL/);
  });

  it("is refused what the filter names", () => {
    const { clone3, future, ...rest } = found.libc;
    expect([clone3, future]).toEqual(["ENOSYS", "ENOSYS"]);
    expect(new Set(Object.values(rest))).toEqual(new Set(["EPERM"]));
  });

  it("finds ordinary Python working", () => {
    expect(found.works).toEqual({
      threads: 100,
      subprocess: "42\n",
      python: "2\n",
      loopback: true,
      host: "sandbox",
      user: "sandbox",
      socketpair: [2],
      pool: [1, 2],
    });
  });
});

describe("two sandboxes", () => {
  it("do not see each other, and neither is root on the host", async () => {
    const context = makeContext();
    const backend = makeBackend(context);
    const wait = 'print("up", flush=True)\nimport time\ntime.sleep(600)';
    const other = await backend.boot(makeProfile());
    const otherDir = makeRunDir(context, "bob");
    const running = await start(other, otherDir, wait);
    await running.printed("up");
    writeFileSync(join(otherDir, "out/secret.txt"), "bob's own");
    const code = `
import json, os
found = []
for base, dirs, files in os.walk("/", onerror=lambda e: None):
    if base == "/": dirs[:] = [d for d in dirs if d not in ("proc", "usr")]
    found += [os.path.join(base, f) for f in files if f == "secret.txt"]
for way in ("/sandbox/../..", "/proc/1/root/..", "/proc/1/cwd"):
    try: found += [n for n in os.listdir(way) if "bob" in n]
    except OSError: pass
print(json.dumps({"found": found, "pids": len([n for n in os.listdir("/proc") if n.isdigit()])}))
`;
    const looked = printedJson(await run(backend, context, code));
    expect(looked).toEqual({ found: [], pids: 2 });
    await other.dispose();
  });

  it.skipIf(!isRoot)("run as the sandbox's uid", async () => {
    const context = makeContext();
    const sandbox = await makeBackend(context).boot(makeProfile());
    const code =
      'import os\nopen(os.environ["OUTPUT_DIR"] + "/mine", "w").close()\nprint("up", flush=True)\nimport time\ntime.sleep(600)';
    const dir = makeRunDir(context);
    const running = await start(sandbox, dir, code);
    await running.printed("up");
    expect(statSync(join(dir, "out/mine")).uid).toBe(SANDBOX_UID);
    const mine = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && hostUidOf(Number(name)) === SANDBOX_UID);
    // The engine itself, the supervisor and the program; none of them is root.
    expect(mine.length).toBeGreaterThanOrEqual(3);
    await sandbox.dispose();
  });
});
