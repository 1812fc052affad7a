// Hogs: each takes as much as it can get of one thing. It is refused, or ended by the limit's name; neighbours run beside all of them.
import type { Attack, Seen } from "./attack.js";

const OUT = 'import os\nout = os.environ["OUTPUT_DIR"]\n';
const hog = (name: string, line: number, code: string, ends: string | RegExp, more: Partial<Attack> = {}): Attack => ({
  ...{ name, meets: [line], code, ends },
  ...more,
});
/** `hits` of a limit, where this host counts them. */
const hits = (limit: "memory" | "processes" | "openFiles" | "fileSize" | "disk" | "files" | "output") => ({
  check: ({ result }: Seen) => {
    const row = result.sandbox?.policy.limits[limit];
    if (!row || row.hits === 0) throw new Error(`${limit}: ${JSON.stringify(row)}`);
  },
});

/** Memory of every kind, in steps of 4 MiB, far beyond the limit. */
const MEMORY: readonly [string, string][] = [
  ["private", "b = []\nwhile True: b.append(bytearray(b'x' * (4 << 20)))"],
  [
    "shared anonymous",
    "import mmap\nb = []\nwhile True:\n    m = mmap.mmap(-1, 4 << 20); m.write(b'x' * (4 << 20)); b.append(m)",
  ],
  [
    "of a memfd",
    "import os\nf = os.memfd_create('x')\nblock = b'x' * (1 << 20)\nfor _ in range(90): os.write(f, block)\ng = os.memfd_create('y')\nfor _ in range(90): os.write(g, block)",
  ],
  [
    "of System V segments",
    "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.shmat.restype = ctypes.c_void_p\nlibc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]\nfor _ in range(64):\n    i = libc.shmget(0, 4 << 20, 0o1600)\n    assert i != -1, ctypes.get_errno()\n    a = libc.shmat(i, None, 0)\n    ctypes.memset(a, 1, 4 << 20)\n",
  ],
  [
    "of all its children together",
    "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        b = bytearray(b'x' * (40 << 20)); time.sleep(60)\nb = bytearray(b'x' * (100 << 20))\ntime.sleep(60)",
  ],
];

export const RESOURCES: readonly Attack[] = [
  ...MEMORY.map(([name, code]) =>
    hog(`memory ${name}`, 22, code, /^(out_of_memory|timeout)$/, { ...hits("memory"), request: { timeoutMs: 15_000 } }),
  ),
  hog(
    "memory of /tmp and /dev/shm",
    22,
    "import os\nrefused = 0\nfor folder in ('/tmp', '/dev/shm'):\n    with open(folder + '/big', 'wb', 0) as f:\n        try:\n            for _ in range(160): f.write(b'x' * (1 << 20))\n        except OSError: refused += 1\nprint(refused)",
    /^(succeeded|out_of_memory)$/,
  ),
  hog(
    "entries of /tmp",
    22,
    "made = 0\ntry:\n    while made < 3_000_000:\n        open(f'/tmp/{made}', 'w').close(); made += 1\nexcept OSError as e: print(e.errno in (28, 12), made < 200_000)",
    /^(succeeded|out_of_memory|timeout)$/,
    {
      request: { timeoutMs: 15_000 },
    },
  ),
  hog(
    "forks, each refusal handled",
    21,
    "import os, time\nrefused = 0\nfor _ in range(600):\n    try:\n        if os.fork() == 0: time.sleep(600)\n    except BlockingIOError: refused += 1\nassert refused > 500, refused",
    "succeeded",
    hits("processes"),
  ),
  hog(
    "forks without end, by all of them",
    21,
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "timeout",
    { request: { timeoutMs: 1000 } },
  ),
  hog(
    "a refused fork that nobody handles",
    21,
    "import os, time\nfor _ in range(2000):\n    if os.fork() == 0: time.sleep(60)",
    "program_error BlockingIOError",
    hits("processes"),
  ),
  hog(
    "threads",
    21,
    "import threading, time\nfor _ in range(4000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "program_error RuntimeError",
    hits("processes"),
  ),
  hog(
    "a bomb in the shell",
    21,
    "import subprocess\nsubprocess.run(['sh', '-c', 'bomb() { bomb | bomb & }; bomb; while true; do true; done'])",
    /^(timeout|succeeded)$/,
    { request: { timeoutMs: 1000 } },
  ),
  hog(
    "one big file",
    23,
    `${OUT}open(out + '/big', 'wb').write(b'x' * (60 << 20))`,
    /^(limit_exceeded disk|program_error OSError)$/,
  ),
  hog(
    "one file beyond its size",
    23,
    `${OUT}f = open(out + '/big', 'wb', 0)\nf.seek((100 << 20) - 4)\nf.write(b'12345678')\nf.write(b'9')`,
    "program_error OSError",
    hits("fileSize"),
  ),
  hog(
    "many files of some size",
    23,
    `${OUT}for n in range(1000): open(f"{out}/{n}", "wb").write(b"x" * (1 << 20))`,
    "limit_exceeded disk",
    hits("disk"),
  ),
  hog(
    "a million tiny files",
    23,
    `${OUT}for n in range(1_000_000): open(f"{out}/{n}", "w").close()`,
    "limit_exceeded files",
    hits("files"),
  ),
  hog(
    "tiny files in work/",
    23,
    'for n in range(1_000_000): open(str(n), "w").close()',
    "limit_exceeded files",
    hits("files"),
  ),
  hog(
    "folders within folders",
    23,
    `${OUT}os.chdir(out)\nfor n in range(3000):\n    os.mkdir("d"); os.chdir("d")`,
    "limit_exceeded files",
    hits("files"),
  ),
  hog(
    "hard links without end",
    23,
    `${OUT}open(out + "/a", "w").close()\nfor n in range(100000): os.link(out + "/a", f"{out}/{n}")`,
    "limit_exceeded files",
    hits("files"),
  ),
  hog(
    "a sparse file of 90 MiB",
    23,
    `${OUT}f = open(out + '/sparse', 'wb')\nf.truncate(90 << 20)\nf.close()`,
    "succeeded",
  ),
  hog(
    "files that are gone but open",
    23,
    `${OUT}import time\nfor n in range(60):\n    f = os.open(f"{out}/{n}", os.O_CREAT | os.O_RDWR); os.unlink(f"{out}/{n}"); os.write(f, b"x" * (1 << 20))\ntime.sleep(10)`,
    "limit_exceeded disk",
    hits("disk"),
  ),
  hog(
    "xattrs",
    23,
    `${OUT}open(out + "/a", "w").close()\ntry:\n    for n in range(10000): os.setxattr(out + "/a", f"user.{n}", b"x" * 60000)\nexcept OSError: pass`,
    "succeeded",
  ),
  hog(
    "locks of files",
    23,
    `${OUT}import fcntl\nf = open(out + "/a", "w")\ntry:\n    for n in range(0, 4000, 2): fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, n)\nexcept OSError: pass`,
    /^(succeeded|out_of_memory)$/,
  ),
  hog(
    "endless output without a line",
    24,
    'import os\nwhile True: os.write(1, b"\\0\\xff" * 30000)',
    "limit_exceeded output",
    hits("output"),
  ),
  hog(
    "output from many writers",
    24,
    "import os, threading\ndef flood(fd):\n    while True: os.write(fd, os.urandom(60000))\nfor fd in (1, 2, 1, 2): threading.Thread(target=flood, args=(fd,)).start()",
    "limit_exceeded output",
    hits("output"),
  ),
  hog(
    "output through the logger",
    24,
    'import logging\nlog = logging.getLogger("user")\nwhile True: log.error("x" * 50000)',
    "limit_exceeded output",
    hits("output"),
  ),
  hog(
    "ten thousand errors and tracebacks",
    24,
    'import sys, traceback\nfor n in range(3000):\n    print("ERROR: x")\n    try: 1 / 0\n    except ZeroDivisionError: traceback.print_exc()',
    "succeeded",
    {
      check: ({ result }) => {
        const { errorLines, tracebacks } = result.diagnostics;
        if (errorLines.length > 100 || tracebacks.length > 20 || result.totals.errorLines < 3000)
          throw new Error(`${errorLines.length} ${tracebacks.length} ${result.totals.errorLines}`);
      },
    },
  ),
  hog(
    "open files",
    21,
    "import os\nkept = []\nwhile True: kept.append(os.open('/dev/null', os.O_RDONLY))",
    "program_error OSError",
    hits("openFiles"),
  ),
  hog(
    "open files, each refusal handled",
    21,
    "import os\nkept = refused = 0\nfor _ in range(3000):\n    try: os.open('/dev/null', os.O_RDONLY); kept += 1\n    except OSError: refused += 1\nprint(kept <= 1024 and refused > 1900)",
    "succeeded",
    { prints: "True" },
  ),
  hog(
    "full pipes",
    22,
    "import fcntl, os\nheld = 0\ntry:\n    while True:\n        r, w = os.pipe(); os.set_blocking(w, False)\n        try: fcntl.fcntl(w, 1031, 1 << 20)\n        except OSError: pass\n        try:\n            while True: held += os.write(w, b'x' * 65536)\n        except BlockingIOError: pass\nexcept OSError: pass\nprint(held < 2 << 30)",
    /^(succeeded|out_of_memory)$/,
  ),
  hog(
    "full sockets",
    22,
    "import socket\nheld, kept = 0, []\ntry:\n    while True:\n        a, b = socket.socketpair(); a.setblocking(False); kept += [a, b]\n        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)\n        try:\n            while True: held += a.send(b'x' * 65536)\n        except BlockingIOError: pass\nexcept OSError: pass",
    /^(succeeded|out_of_memory|program_error OSError)$/,
  ),
  hog(
    "descriptors in flight",
    22,
    "import array, socket\na, b = socket.socketpair(); a.setblocking(False)\ntry:\n    while True: a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2] * 80))])\nexcept OSError as e: print(e.errno in (11, 109))",
    "succeeded",
    { prints: "True" },
  ),
  hog(
    "inotify",
    22,
    "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nn = 0\nwhile n < 100000 and libc.inotify_init() >= 0: n += 1\nprint(n < 2000)",
    "succeeded",
    { prints: "True" },
  ),
  hog(
    "timers and queued signals",
    22,
    "import ctypes\nlibc = ctypes.CDLL('librt.so.1' if not hasattr(ctypes.CDLL(None), 'timer_create') else None, use_errno=True)\nt = ctypes.c_void_p()\nn = 0\nwhile n < 2_000_000 and libc.timer_create(1, None, ctypes.byref(t)) == 0: n += 1\nprint(n < 2_000_000)",
    "succeeded",
    { prints: "True" },
  ),
  hog(
    "message queues",
    22,
    "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\nn = 0\nwhile n < 5000 and libc.mq_open(b'/q%d' % n, os.O_CREAT | os.O_RDWR, 0o600, None) != -1: n += 1\nm = 0\nwhile m < 100000 and libc.msgget(0, 0o1600) != -1: m += 1\nprint(n < 5000, m < 100000)",
    "succeeded",
    { prints: "True True" },
  ),
  hog(
    "mappings",
    22,
    "import mmap\nkept = []\ntry:\n    while True: kept.append(mmap.mmap(-1, 4096, prot=1 + (len(kept) & 1)))\nexcept OSError: print('refused')",
    /^(succeeded|out_of_memory|timeout|program_error MemoryError)$/,
    { request: { timeoutMs: 20_000 } },
  ),
  ...[
    ["computes beside a tool call", "while True: pass"],
    [
      "computes in children beside a tool call",
      "import os\nfor _ in range(4):\n    if os.fork() == 0: break\nwhile True: pass",
    ],
    [
      "computes in short-lived children that nobody waits for, beside a tool call",
      "import os, signal, time\nif os.fork(): time.sleep(60)\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    if os.fork() == 0:\n        until = time.monotonic() + 0.02\n        while time.monotonic() < until: pass\n        os._exit(0)\n    time.sleep(0.02)",
    ],
  ].map(([name, code]) =>
    hog(
      `${name}`,
      25,
      `import asyncio\nasync def beside():\n    await asyncio.sleep(0.1)\n    await asyncio.to_thread(exec, ${JSON.stringify(code)})\nawait asyncio.gather(host.wait(ms=25000), beside())`,
      "timeout",
      { request: { timeoutMs: 1000 } },
    ),
  ),
  hog("waits for a tool longer than its time", 25, "print(await host.wait(ms=2500))", "succeeded", {
    request: { timeoutMs: 1000 },
    prints: "waited",
  }),
  hog(
    "eight busy children",
    25,
    "import os\nfor _ in range(8):\n    if os.fork() == 0:\n        while True: pass\nwhile True: pass",
    "timeout",
    { request: { timeoutMs: 1000 } },
  ),
  hog(
    "eight busy children that nobody outranks",
    25,
    "import os\nfor _ in range(8):\n    if os.fork() == 0: break\ntry: os.setpriority(os.PRIO_PROCESS, 1, 19)\nexcept OSError: pass\nwhile True: os.getppid()",
    "timeout",
    { request: { timeoutMs: 1000 } },
  ),
  hog("a C loop that asks nobody", 25, 'import re; re.match("(a+)+$", "a" * 60 + "b")', "timeout", {
    request: { timeoutMs: 800 },
  }),
  hog("blocked for ever on a FIFO", 25, "import os\nos.mkfifo('/tmp/f'); open('/tmp/f')", "timeout", {
    request: { timeoutMs: 800 },
  }),
  hog(
    "sleeps while it holds back every signal",
    25,
    "import signal, subprocess\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nsubprocess.run(['sleep', '600'])",
    "timeout",
    { request: { timeoutMs: 800 } },
  ),
];
