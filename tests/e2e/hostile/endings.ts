// Ways to end, and to lie about it: exit codes, signals, exceptions that fight back, exits from odd places.
import type { Attack } from "./attack.js";

const odd = (name: string, code: string, ends: string | RegExp): Attack => ({ name, meets: [43], code, ends });

/** Signals whose ordinary end is the program's, and what CPython or the runner makes of the others. */
const DEADLY =
  "SIGHUP SIGQUIT SIGILL SIGTRAP SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGALRM SIGTERM SIGXCPU SIGVTALRM SIGPROF SIGSYS";
const byItself = DEADLY.split(" ").map((name) =>
  odd(
    `${name} to itself`,
    `import os, signal\nos.kill(os.getpid(), signal.${name})\nsignal.pause()`,
    `program_signal ${name}`,
  ),
);

const HELPLESS = 'raise OSError("never seen")';

export const ENDINGS: readonly Attack[] = [
  ...byItself,
  odd(
    "SIGINT to itself",
    "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)",
    "program_signal SIGINT",
  ),
  odd(
    "a real-time signal to itself",
    "import os, signal\nos.kill(os.getpid(), signal.SIGRTMIN + 3)\nsignal.pause()",
    "program_signal SIG37",
  ),
  odd(
    "signals that CPython ignores",
    "import os, signal\nfor n in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT):\n    os.kill(os.getpid(), n)",
    "succeeded",
  ),
  odd(
    "twenty requests for its own stack",
    "import os, signal\nfor _ in range(20): os.kill(os.getpid(), signal.SIGRTMAX - 1)\nraise SystemExit(3)",
    "program_exit 3",
  ),
  odd("os.abort", "import os; os.abort()", "program_signal SIGABRT"),
  odd(
    "killed by its own child",
    "import os, time\nif os.fork() == 0: os.kill(os.getppid(), 9); os._exit(0)\ntime.sleep(60)",
    "program_signal SIGKILL",
  ),
  odd(
    "its child is killed, not it",
    "import os, sys\nif os.fork() == 0: os.kill(os.getpid(), 9)\nos.wait(); sys.exit(0)",
    "succeeded",
  ),
  odd("sys.exit(True)", "import sys; sys.exit(True)", "program_exit 1"),
  odd("sys.exit(False)", "import sys; sys.exit(False)", "succeeded"),
  odd("sys.exit(-1)", "import sys; sys.exit(-1)", "program_exit 255"),
  odd("sys.exit(256), of which 0 arrives", "import sys; sys.exit(256)", "succeeded"),
  odd("sys.exit of a huge number", "import sys; sys.exit(2**70)", "program_exit 255"),
  odd("sys.exit of an object", "import sys; sys.exit(object())", "program_exit 1"),
  odd(
    "sys.exit of one that cannot be printed",
    `import sys\nclass X:\n    def __str__(self): ${HELPLESS}\nsys.exit(X())`,
    "program_exit 1",
  ),
  odd("sys.exit of 4 MiB", "import sys; sys.exit('x' * (4 << 20))", "program_exit 1"),
  odd("exit code 130, which is no cancelling", "raise SystemExit(130)", "program_exit 130"),
  odd("exit code 137, which is no kill", "import os; os._exit(137)", "program_exit 137"),
  odd("exit code 124, which is no timeout", "import os; os._exit(124)", "program_exit 124"),
  odd("os._exit(0) in the middle", "import os; os._exit(0)\nraise ValueError", "succeeded"),
  odd("os._exit in atexit", "import atexit, os; atexit.register(os._exit, 11)", "program_exit 11"),
  odd(
    "os._exit in a thread",
    "import os, threading, time\nthreading.Timer(0.1, os._exit, [12]).start()\ntime.sleep(60)",
    "program_exit 12",
  ),
  odd(
    "os._exit while it is finalized",
    "import os\nclass X:\n    def __del__(self): os._exit(13)\nx = X()",
    "program_exit 13",
  ),
  odd(
    "sys.exit in a thread, which ends that one alone",
    "import sys, threading\nthreading.Thread(target=sys.exit, args=(5,)).start()",
    "succeeded",
  ),
  odd("an exception in a thread", "import threading\nthreading.Thread(target=lambda: 1 / 0).start()", "succeeded"),
  odd(
    "an exception in atexit, which CPython prints only",
    "import atexit\natexit.register(lambda: 1 / 0)",
    "succeeded",
  ),
  odd("SystemExit in atexit", "import atexit, sys\natexit.register(sys.exit, 7)", "succeeded"),
  odd(
    "a thread that outlives the main one and kills it",
    "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), os.kill(os.getpid(), 9))).start()",
    "program_signal SIGKILL",
  ),
  odd(
    "another program in its place",
    'import os\nos.execv("/bin/sh", ["sh", "-c", "echo replaced; exit 5"])',
    "program_exit 5",
  ),
  odd(
    "another Python in its place",
    'import os, sys\nos.execv(sys.executable, [sys.executable, "-c", "raise ValueError(1)"])',
    "program_exit 1",
  ),
  odd(
    "a shell that kills itself in its place",
    'import os\nos.execv("/bin/sh", ["sh", "-c", "kill -SEGV $$"])',
    "program_signal SIGSEGV",
  ),
  odd(
    "exec from a thread",
    'import os, threading, time\nthreading.Thread(target=os.execv, args=("/bin/sh", ["sh", "-c", "exit 6"])).start()\ntime.sleep(60)',
    "program_exit 6",
  ),
  odd(
    "ends, and its child goes on and succeeds",
    "import os, time\nif os.fork() == 0:\n    time.sleep(0.2); print('success'); os._exit(0)\nos._exit(3)",
    "program_exit 3",
  ),
  odd(
    "C recursion until the stack is gone",
    "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __add__(self, other): return self + other\nA() + A()",
    "program_signal SIGSEGV",
  ),
  odd(
    "a null pointer in a thread",
    "import ctypes, threading\nt = threading.Thread(target=ctypes.string_at, args=(8,)); t.start(); t.join()",
    "program_signal SIGSEGV",
  ),
  odd("faulthandler's own crash", "import faulthandler; faulthandler._sigsegv()", "program_signal SIGSEGV"),
  odd(
    "faulthandler's own exit",
    "import faulthandler, time; faulthandler.dump_traceback_later(0.2, exit=True); time.sleep(60)",
    "program_exit 1",
  ),
  odd("brackets that the parser gives up on", "eval('(' * 100000 + ')' * 100000)", "program_error SyntaxError"),
  odd(
    "JSON too deep for its own parser",
    "import json\njson.loads('[' * 100000 + ']' * 100000)",
    "program_error RecursionError",
  ),
  odd(
    "an exception of a class that lies about itself",
    "class E(Exception):\n    __class__ = SystemExit\n    code = 0\nraise E",
    "program_error E",
  ),
  odd(
    "an exit that lies about its code",
    "class E(SystemExit):\n    @property\n    def code(self): 1 / 0\nraise E(0)",
    "program_exit 1",
  ),
  odd("a subclass of KeyboardInterrupt", "class K(KeyboardInterrupt): pass\nraise K", "program_error K"),
  odd("GeneratorExit", "raise GeneratorExit", "program_error GeneratorExit"),
  odd("a BaseException of its own", "class B(BaseException): pass\nraise B('x')", "program_error B"),
  odd(
    "a chain of ten thousand exceptions",
    "e = None\nfor n in range(10000):\n    f = ValueError(n); f.__cause__ = e; e = f\nraise e",
    "program_error ValueError",
  ),
  odd(
    "a group of groups",
    "e = ValueError(0)\nfor n in range(200): e = ExceptionGroup('g', [e, TypeError(n)])\nraise e",
    "program_error ExceptionGroup",
  ),
  odd(
    "an exception that is its own cause",
    "e = ValueError(1)\ne.__cause__ = e.__context__ = e\nraise e",
    "program_error ValueError",
  ),
  odd(
    "an exception with a type of odd names",
    'raise type("E\\n" + "x" * 9000, (Exception,), {"__module__": "\\x1b[31m"})("y")',
    /^program_error \x1b\[31m\.E\nx{400,520}/,
  ),
  odd(
    "an exception with 2 MiB of text",
    "import itertools\nclass E(Exception):\n    def __str__(self): return 'y' * (2 << 20)\nraise E",
    "program_error E",
  ),
  odd(
    "an exception whose text exits",
    "import os\nclass E(Exception):\n    def __str__(self): os._exit(21)\nraise E",
    "program_exit 21",
  ),
  odd(
    "an exception whose text raises an exit",
    "class E(Exception):\n    def __str__(self): raise SystemExit(0)\n    __repr__ = __str__\nraise E",
    "program_error E",
  ),
  odd(
    "an excepthook that hides it",
    "import sys\nsys.excepthook = lambda *a: None\nraise ValueError('hidden')",
    "program_error ValueError",
  ),
  odd(
    "an excepthook that exits with 0",
    "import os, sys\nsys.excepthook = lambda *a: os._exit(0)\nraise ValueError('hidden')",
    "succeeded",
  ),
  odd(
    "a builtin world torn down",
    "import builtins, sys\nsys.modules.clear(); builtins.__dict__.clear()\n1 / 0",
    "program_exit 1",
  ),
  odd(
    "a stdout that cannot be flushed",
    "import sys\nclass S:\n    def write(self, t): pass\n    def flush(self): raise OSError('full')\nsys.stdout = S()",
    "program_exit 120",
  ),
  odd("all descriptors closed, then exit code 4", "import os\nos.closerange(0, 4096)\nos._exit(4)", "program_exit 4"),
  odd(
    "all descriptors closed, then an end without words",
    "import os\nos.closerange(0, 4096)\nraise SystemExit(4)",
    "program_exit 4",
  ),
  odd("nothing at all, as a null character", "\0", /^program_error (SyntaxError|ValueError)$/),
  odd("not even text", "\u{feff}\u{2028}def", "program_error SyntaxError"),
  {
    name: "a 20 MiB message of an exception",
    meets: [24, 50],
    code: "raise ValueError('x' * (20 << 20))",
    ends: "program_error ValueError",
    check: ({ result }) => {
      if (JSON.stringify(result).length > 5_000_000) throw new Error("the document is too large");
    },
  },
  {
    name: "the file, then an exception, then more in atexit",
    meets: [44],
    code: `
import atexit, os
path = os.environ["OUTPUT_DIR"] + "/a.txt"
open(path, "w").write("one")
atexit.register(lambda: open(path, "a").write(" two"))
raise RuntimeError("after the file")
`,
    request: { contract: [{ path: "a.txt", description: "a" }] },
    ends: "program_error RuntimeError",
    check: ({ result }) => {
      const [artifact] = result.contract;
      if (artifact?.status !== "satisfied" || artifact.bytes !== 7) throw new Error(JSON.stringify(artifact));
    },
  },
  {
    name: "a child that writes the file after the end",
    meets: [26, 44],
    code: `
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(0.3)
    open(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write("late")
    os._exit(0)
`,
    request: { contract: [{ path: "a.txt", description: "a" }] },
    ends: "contract_unmet",
  },
  {
    name: "a thread that writes the file after the main one's end",
    meets: [44],
    code: `
import os, threading, time
def late():
    time.sleep(0.3)
    open(os.environ["OUTPUT_DIR"] + "/a.txt", "w").write("in time")
threading.Thread(target=late).start()
`,
    request: { contract: [{ path: "a.txt", description: "a" }] },
    ends: "succeeded",
  },
  {
    name: "os._exit(0) without the file",
    meets: [44],
    code: "import os\nprint('wrote a.txt, all is well')\nos._exit(0)",
    request: { contract: [{ path: "a.txt", description: "a" }] },
    ends: "contract_unmet",
  },
  {
    name: "asks for the operator's input",
    meets: [47],
    code: "import sys\nprint(repr(sys.stdin.read()), repr(sys.stdin.readline()))",
    ends: "succeeded",
    prints: "'' ''",
  },
  {
    name: "holds stdout with a daemon of a daemon",
    meets: [26],
    code: `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for n in range(1, 65):
            try: __import__("signal").signal(n, 1)
            except (OSError, ValueError): pass
        while True:
            print("still here")
            time.sleep(0.01)
    os._exit(0)
time.sleep(0.1)
`,
    ends: "succeeded",
    check: ({ result }) => {
      if ((result.timings?.runMs ?? 0) > 15_000) throw new Error(`the end came after ${result.timings?.runMs} ms`);
    },
  },
  {
    name: "just below its time",
    meets: [46],
    code: "import time; time.sleep(0.7)",
    request: { timeoutMs: 5000 },
    ends: "succeeded",
  },
];
