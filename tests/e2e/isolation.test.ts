// What a program can see and reach, on every real backend: the threats of docs/security.md, each as the snippet that tries it.

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { suiteDir } from "../support/temp.js";

/** Runs `attempt` and prints what came of it: "done", or the name of what refused it. */
const attempt = (body: string) =>
  `import os, sys, ctypes, errno, socket\nlibc = ctypes.CDLL(None, use_errno=True)\ntry:\n${body
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n")}\n    print("done")\nexcept OSError as e:\n    print(errno.errorcode.get(e.errno, e.errno))\n`;

describe.each(realBackends())("isolation on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime;
  beforeAll(async () => {
    process.env.ISO_TEST_SECRET = "a secret of the host";
    runtime = await createRuntime({
      backend,
      workspaceRoot: join(roots, "workspace"),
      sandboxRoot: join(roots, "sandbox"),
      warm: 1,
    });
  });
  afterAll(async () => {
    delete process.env.ISO_TEST_SECRET;
    await runtime?.close();
  });

  async function output(code: string, userId = "mallory"): Promise<string> {
    const result = await runtime.run({ userId, code, timeoutMs: 20_000 });
    expect(result.status, JSON.stringify(result.error)).toBe("succeeded");
    return result.output.stdout.text.trim();
  }

  it("is not root on the host, has no capability and may gain none", async () => {
    const status = await output('print(open("/proc/self/status").read())');
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect(status).toMatch(new RegExp(`${set}:\\s*0000000000000000`));
    expect(status).toMatch(/NoNewPrivs:\s*1/);
    expect(status).toMatch(/Seccomp:\s*2/);
    const result = await runtime.run({ userId: "mallory", code: "" });
    expect(result.sandbox?.policy.isolation.hostUid).not.toBe(0);
  });

  it.each([
    ["changing its uid", "os.setuid(0)\nassert os.getuid() == 0 and False"],
    ["writing core_pattern", 'open("/proc/sys/kernel/core_pattern", "w").write("x")'],
    ["opening sysrq", 'open("/proc/sysrq-trigger", "w")'],
    ["writing below /usr", 'open("/usr/planted", "w")'],
    ["writing in the root", 'open("/planted", "w")'],
    ["writing beside the interpreter", 'open(os.path.join(os.path.dirname(os.__file__), "planted.py"), "w")'],
    ["making a device", 'os.mknod("/tmp/dev", 0o60666, os.makedev(8, 0))\nopen("/tmp/dev").read()'],
    ["mounting", 'if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None): raise OSError(ctypes.get_errno(), "")'],
    ["a nested user namespace", "if libc.unshare(0x10000000): raise OSError(ctypes.get_errno(), '')"],
    ["reading the supervisor's memory", 'open("/proc/1/mem", "rb").read(1)'],
    ["listing the supervisor's descriptors", 'os.listdir("/proc/1/fd")'],
    ["reading /etc/shadow", 'open("/etc/shadow").read()'],
    ["connecting to the docker socket", 's = socket.socket(socket.AF_UNIX)\ns.connect("/var/run/docker.sock")'],
    ["sending UDP out", 's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b"x", ("10.0.0.1", 53))'],
  ])("refuses %s", async (_name, body) => {
    expect(await output(attempt(body))).toMatch(/^E[A-Z]+$/);
  });

  it.each([
    [
      "EPERM",
      "a new user namespace by clone",
      "libc.syscall(220 if os.uname().machine == 'aarch64' else 56, 0x10000011, None, None, None, 0)",
    ],
    ["EPERM", "io_uring", "libc.syscall(425, 8, None)"],
    ["EPERM", "tracing", "libc.ptrace(0, 0, None, None)"],
    ["EPERM", "limiting the supervisor", "libc.prlimit(1, 0, bytes(16), None)"],
    ["EAFNOSUPPORT", "a socket to the hypervisor", "libc.socket(40, 1, 0)"],
  ])("answers %s to %s", async (answer, _name, call) => {
    expect(await output(attempt(`if ${call} == -1: raise OSError(ctypes.get_errno(), "")`))).toBe(answer);
  });

  it("reaches no listener of the host", async () => {
    const server = createServer((_request, response) => response.end("reached"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    try {
      for (const host of ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1"]) {
        expect(await output(attempt(`socket.create_connection((${JSON.stringify(host)}, ${port}), 2)`))).toMatch(
          /^E[A-Z]+$/,
        );
      }
    } finally {
      server.close();
    }
  });

  it("sees nothing of the host's environment, anywhere in /proc", async () => {
    const code =
      'import os, glob\nfound = [k for k in os.environ if k.startswith(("ISO_", "NODE", "SSH", "npm_", "PYENV", "DOCKER"))]\nfor path in glob.glob("/proc/[0-9]*/environ"):\n    try:\n        if b"secret" in open(path, "rb").read(): found.append(path)\n    except OSError: pass\nprint(found)';
    expect(await output(code)).toBe("[]");
  });

  it("sees only its own processes, and descriptors 0, 1, 2 and a few of ours", async () => {
    expect(Number(await output('import os\nprint(len([p for p in os.listdir("/proc") if p.isdigit()]))'))).toBeLessThan(
      5,
    );
    const links = await output(
      'import os\nfor fd in os.listdir("/proc/self/fd"):\n    try: print(os.readlink("/proc/self/fd/" + fd))\n    except OSError: pass',
    );
    for (const link of links.split("\n"))
      expect(link).toMatch(/^(pipe|socket|anon_inode|\/dev\/null|\/proc\/|\/memfd|\/tmp\/|\/$)/);
  });

  it("sees no file of the host, and no other user's", async () => {
    await output('import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "private.txt"), "w").write("x")', "victim");
    mkdirSync(join(roots, "host"));
    writeFileSync(join(roots, "host/.env"), "TOKEN=1", { mode: 0o644 });
    const code = (path: string) => `import os\nprint(os.path.exists(${JSON.stringify(path)}))`;
    for (const path of [
      join(roots, "host/.env"),
      join(roots, "workspace/victim"),
      join(roots, "sandbox/victim"),
      "/sandbox/../victim",
      `${process.env.HOME}/.ssh`,
      process.cwd(),
    ]) {
      expect(await output(code(path)), path).toBe("False");
    }
  });

  it("finds nothing of an earlier run but its files in out/", async () => {
    const plant =
      'import os, pathlib\nfor d in ("/tmp", "/dev/shm", os.path.expanduser("~"), os.getcwd()):\n    try: pathlib.Path(d, "planted").write_text("x")\n    except OSError: pass\nout = pathlib.Path(os.environ["OUTPUT_DIR"])\nfor name in ("sitecustomize.py", "usercustomize.py", "json.py", "main.py"):\n    (out / name).write_text("print(\'hijacked\')")';
    await output(plant, "lasting");
    const look =
      'import os, json, pathlib\nprint([d for d in ("/tmp", "/dev/shm", os.path.expanduser("~"), os.getcwd()) if pathlib.Path(d, "planted").exists()])';
    expect(await output(look, "lasting")).toBe("[]");
  });

  it("runs what data science needs: threads, subprocesses, multiprocessing, asyncio, sockets of its own", async () => {
    const code = [
      "import asyncio, multiprocessing, os, socket, subprocess, sys, threading",
      "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor",
      "def square(n): return n * n",
      "assert list(ThreadPoolExecutor(8).map(square, range(9)))[-1] == 64",
      "assert subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True, text=True).stdout == '7\\n'",
      "assert subprocess.check_output('echo $((1+1))', shell=True) == b'2\\n'",
      "with multiprocessing.Pool(2) as pool: assert pool.map(square, [3]) == [9]",
      "with ProcessPoolExecutor(2) as pool: assert list(pool.map(square, [4])) == [16]",
      "server = socket.create_server(('127.0.0.1', 0))",
      "client = socket.create_connection(server.getsockname(), 2)",
      "async def main():",
      "    child = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(5)', stdout=asyncio.subprocess.PIPE)",
      "    return (await child.communicate())[0]",
      "assert await main() == b'5\\n'",
      "print('fine')",
    ].join("\n");
    expect(await output(code)).toBe("fine");
  });
});
