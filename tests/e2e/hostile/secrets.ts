// Looking for what is not its own: the host's environment and files, other users, the network, what an earlier run left.
import { type Attack, refused } from "./attack.js";

const OUT = 'import os\nout = os.environ["OUTPUT_DIR"]\n';

export const SECRETS: readonly Attack[] = [
  {
    name: "searches its own memory for the host's environment",
    meets: [12, 16],
    code: `
import os
value = (os.environ["NEEDLE_START"] + "-host").encode()
found = looked = 0
with open("/proc/self/mem", "rb", 0) as mem:
    for line in open("/proc/self/maps"):
        span, mode = line.split()[:2]
        start, end = (int(x, 16) for x in span.split("-"))
        if not mode.startswith("r") or "[v" in line or end - start > 64 << 20:
            continue
        mem.seek(start)
        block = mem.read(end - start)
        looked += len(block)
        at = block.find(value)
        while at != -1:
            # The needle itself lies here too; an environment has its name in front of it.
            found += block[at - 16 : at] == b"ISO_TEST_SECRET="
            at = block.find(value, at + 1)
print(found, looked > 1 << 20)
`,
    ends: "succeeded",
    prints: "0 True",
    request: { env: { NEEDLE_START: "c4nary-of-the" } },
  },
  {
    name: "reads every environment, command line and stack it can see",
    meets: [12],
    code: String.raw`
import glob, os
names = set()
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/task/*/environ"):
    try: names |= {line.split(b"=")[0] for line in open(path, "rb").read().split(b"\0")}
    except OSError: pass
names |= {key.encode() for key in os.environ}
foreign = ("ISO_TEST", "NODE", "NPM", "npm_", "SSH", "DOCKER", "PYENV", "LD_", "PYTHON", "http", "HTTP", "AWS", "VITEST", "SUDO", "XDG")
print([n for n in names if n.decode("latin1").startswith(foreign)])
print([p for p in glob.glob("/proc/[0-9]*/cmdline") if b"node" in open(p, "rb").read() or b"vitest" in open(p, "rb").read()])
`,
    ends: "succeeded",
    prints: /^\[\]$/,
  },
  {
    name: "walks through all files for one of the host's",
    meets: [13, 14, 15],
    code: `
import os, sys
needles, hits, looked = (os.environ["NEEDLE_START"] + "-host").encode(), [], 0
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys", "usr", "lib", "lib64", "bin", "sbin")]
    if folder.startswith(sys.base_prefix):
        folders[:] = []
        continue
    for name in files:
        path = os.path.join(folder, name)
        looked += 1
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 20 and needles in open(path, "rb").read(): hits.append(path)
        except OSError: pass
print(hits)
`,
    ends: "succeeded",
    prints: "[]",
    request: { env: { NEEDLE_START: "c4nary-of-the" } },
  },
  refused(
    "opens the host's well-known secrets by name",
    [13, 14],
    `
import glob
for path in ["/root/.bash_history", "/root/.ssh", "/root/.netrc", "/home", "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_rsa_key", "/etc/ssl/private",
             "/var/lib/docker", "/var/run/docker.sock", "/run/docker.sock", "/run/secrets", "/var/log/syslog", "/proc/1/environ", "/boot/grub", "/mnt", "/srv/planted",
             "/sandbox/../../workspace", "/proc/1/root/etc/shadow", "/proc/1/cwd/.env", os.environ["HOST_FILE"], os.path.dirname(os.environ["HOST_FILE"]) + "/workspace"]:
    def look(path=path):
        if os.path.isdir(path):
            # An image may have empty folders of that name.
            if not os.listdir(path): raise FileNotFoundError(2, "")
        else:
            open(path, "rb").read(1)
    attempt(path, look)
`,
  ),
  {
    name: "looks at other users by every door",
    meets: [14],
    code: `
import os
paths = ["/sandbox", "/sandbox/..", "/sandbox/work/..", os.environ["OUTPUT_DIR"] + "/../..", "/proc/self/root/sandbox/.."]
os.symlink("../../../..", os.environ["OUTPUT_DIR"] + "/up")
paths.append(os.environ["OUTPUT_DIR"] + "/up")
names = set()
for path in paths:
    try: names |= set(os.listdir(path))
    except OSError: pass
print([n for n in names if "workspace" in n or ".iso-runtime" in n or n.startswith(("victim", "looks-at"))])
`,
    ends: "succeeded",
    prints: "[]",
    check: ({ result }) => {
      if (!result.changes.skipped.some(({ path }) => path === "up")) throw new Error("a link out was kept");
    },
  },
  {
    name: "looks into shared memory, queues and temporary folders",
    meets: [15],
    code: `
import os
seen = []
for path in ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"):
    seen += open(path).read().splitlines()[1:]
for path in ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/user"):
    try: seen += [f"{path}/{name}" for name in os.listdir(path) if not name.startswith(("iso-", "lock"))]
    except OSError: pass
print(seen)
`,
    ends: "succeeded",
    prints: "[]",
  },
  refused(
    "connects to listeners of the host",
    [17],
    String.raw`
port = int(os.environ["HOST_PORT"])
def connect(family, address, kind=socket.SOCK_STREAM):
    s = socket.socket(family, kind)
    s.settimeout(2)
    s.connect(address)
    if kind == socket.SOCK_DGRAM:
        s.send(b"x")
        s.recv(1)
for host in ("127.0.0.1", "127.1.2.3", "0.0.0.0", "172.17.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1"):
    attempt(host, lambda: connect(socket.AF_INET, (host, port)))
    attempt("UDP " + host, lambda: connect(socket.AF_INET, (host, port), socket.SOCK_DGRAM))
for host in ("::1", "::", "::ffff:127.0.0.1", "fe80::1"):
    attempt(host, lambda: connect(socket.AF_INET6, (host, port)))
attempt("abstract", lambda: connect(socket.AF_UNIX, "\0" + os.environ["HOST_ABSTRACT"]))
for path in (os.environ["HOST_SOCKET"], "/var/run/docker.sock", "/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/tmp/.X11-unix/X0"):
    attempt(path, lambda: connect(socket.AF_UNIX, path))
try:
    socket.getaddrinfo("example.com", 80)
    print("a name: got through")
except socket.gaierror:
    print("a name: EAI")
`,
  ),
  refused(
    "opens sockets of kinds that nobody needs",
    [18],
    `
import struct
for name, family, kind, protocol in [("vsock", 40, 1, 0), ("alg", 38, 5, 0), ("packet", 17, 3, 0x300), ("raw", 2, 3, 1), ("raw6", 10, 3, 58), ("netlink generic", 16, 3, 16),
                                     ("netlink audit", 16, 3, 9), ("xdp", 44, 3, 0), ("bluetooth", 31, 3, 1), ("can", 29, 3, 1), ("tipc", 30, 1, 0), ("rds", 21, 5, 0), ("key", 15, 3, 2), ("smc", 43, 1, 0)]:
    attempt(name, lambda: socket.socket(family, kind, protocol))
`,
  ),
  {
    name: "listens where the host could be reached",
    meets: [17],
    code: `
import os, socket
s = socket.create_server(("0.0.0.0", int(os.environ["HOST_PORT"])))
print([l.split()[0] for l in open("/proc/net/dev").read().splitlines()[2:] if not l.strip().startswith(("lo:", "sit", "tun", "ip6tnl", "gre", "erspan", "ip_vti", "ip6_vti", "ip6gre"))])
print([l for l in open("/proc/net/route").read().splitlines()[1:]])
`,
    ends: "succeeded",
    prints: /^\[\]$/,
  },
  {
    name: "plants what a later run would load",
    meets: [51, 52],
    code: `
import glob, os, pathlib, sys
out = pathlib.Path(os.environ["OUTPUT_DIR"])
evil = "import os; os.write(1, b'hijacked')"
for folder in (out, out / "lib", pathlib.Path("."), pathlib.Path("/tmp"), pathlib.Path("/dev/shm"), pathlib.Path.home(), pathlib.Path.home() / ".local/lib/python3.11/site-packages", pathlib.Path("/sandbox")):
    for name in ("sitecustomize.py", "usercustomize.py", "evil.pth", "json.py", "asyncio.py", "main.py", ".pythonrc.py", "__init__.py", "iso_runner.py", "tools.py"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(evil)
        except OSError: pass
import ctypes
libc = ctypes.CDLL(None)
libc.shmget(0x1234, 4096, 0o1666)
libc.mq_open(b"/planted", os.O_CREAT | os.O_RDWR, 0o666, None)
if os.fork() == 0:
    os.setsid()
    import time; time.sleep(100)
`,
    ends: "succeeded",
    again: {
      code: `
import ctypes, json, os, subprocess, sys, asyncio
libc = ctypes.CDLL(None)
print([p for p in ("/tmp/json.py", "/dev/shm/json.py", "/sandbox/json.py", "json.py") if os.path.exists(p)])
print([n for n in os.listdir("/proc") if n.isdigit() and int(n) not in (1, os.getpid())])
print([] if libc.shmget(0x1234, 4096, 0) == -1 and libc.mq_open(b"/planted", os.O_RDWR) == -1 else "queues")
print([] if "hijacked" not in subprocess.run([sys.executable, "-c", "import json"], capture_output=True, text=True, cwd="/tmp").stdout else "child")
`,
      prints: /^\[\]$/,
    },
  },
  {
    name: "changes the harness for the next run",
    meets: [51, 52],
    code: String.raw`
import glob, os, stat
for root, _, files in os.walk("/"):
    if root.startswith(("/proc", "/sys")): continue
    for name in files:
        if "iso_runner" in root or name in ("main.py", "__main__.py", "launch.py"):
            for act in (lambda p: os.chmod(p, 0o777), lambda p: open(p, "a").write("\nprint('hijacked')\n"), os.unlink):
                try: act(os.path.join(root, name))
                except OSError: pass
`,
    ends: "succeeded",
    again: { code: 'print("clean")', prints: "clean" },
  },
  {
    name: "keeps a contract's file from the run before",
    meets: [45],
    code: `${OUT}open(out + "/a.txt", "w").write("old")`,
    request: { contract: [{ path: "a.txt", description: "a" }] },
    ends: "succeeded",
    again: { code: "", ends: "contract_unmet" },
  },
];
