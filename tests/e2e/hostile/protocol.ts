// Attacks on the runner channel and on the runner's objects in the program's own process: forged, broken, giant and replayed messages.
import type { Attack } from "./attack.js";

/** `send(kind, payload)` writes a frame on the program's own channel; `message(body)` one of its messages. */
const CHANNEL = `
import json, os, stat, struct, sys
channel = max(n for n in range(3, 4096) if os.path.islink(f"/proc/self/fd/{n}") and os.readlink(f"/proc/self/fd/{n}").startswith("socket:"))
def send(kind, payload, length=None):
    data = memoryview(struct.pack(">Ic", len(payload) if length is None else length, kind) + payload)
    while data:
        data = data[os.write(channel, data):]
def message(body):
    send(b"C", body if isinstance(body, bytes) else json.dumps(body).encode())
def call(id, tool_id="host.echo", **params):
    message({"t": "call", "id": id, "tool_id": tool_id, "params": params, "reason": None})
`;
const EXIT_0 =
  '{"exitCode":0,"signal":null,"stopped":false,"usage":{"cpuMs":0,"maxRssBytes":0,"processes":0},"kernel":{"oomKills":0,"processHits":0}}';
const forged = (name: string, code: string, ends: string, more: Partial<Attack> = {}): Attack => ({
  name,
  meets: [38, 39],
  code: `${CHANNEL}${code}`,
  ends,
  ...more,
});
const refusedIn = (pattern: RegExp) => ({
  check: ({ result }: Parameters<NonNullable<Attack["check"]>>[0]) => {
    if (!pattern.test(result.diagnostics.infraLog)) throw new Error(`not told: ${result.diagnostics.infraLog}`);
  },
});
const inProcess = (name: string, code: string, ends: string): Attack => ({ name, meets: [38], code, ends });

const ATTACKS: readonly Attack[] = [
  forged(
    "forges an exit on every descriptor",
    `frame = struct.pack(">Ic", len('${EXIT_0}'), b"X") + b'${EXIT_0}'\nfor fd in range(64):\n    try: os.write(fd, frame)\n    except OSError: pass\nos._exit(7)`,
    "program_exit 7",
  ),
  ...["X", "B", "P", "H", "O", "E", "L", "T", "J", "A", "S", "U", "W", "\0", "\xff"].map((kind) =>
    forged(
      `forges a frame of kind ${JSON.stringify(kind)} on its channel`,
      `send(bytes([${kind.charCodeAt(0)}]), b'${EXIT_0}')\nprint("success")\nos._exit(8)`,
      "program_exit 8",
      refusedIn(/program_channel/),
    ),
  ),
  forged(
    "announces 4 GiB",
    'send(b"C", b"{}", 0xFFFFFFFF)\nos._exit(3)',
    "program_exit 3",
    refusedIn(/program_channel/),
  ),
  forged("announces 8 MiB and sends a byte", 'send(b"C", b"x", 8 << 20)\nos._exit(3)', "program_exit 3"),
  forged("sends half a header", 'os.write(channel, b"\\0\\0")\nos._exit(3)', "program_exit 3"),
  forged("sends half a message and sleeps on", 'send(b"C", b"{", 100)\nimport time; time.sleep(60)', "timeout", {
    request: { timeoutMs: 800 },
  }),
  forged("sends noise", "os.write(channel, os.urandom(1 << 16))\nos._exit(3)", "program_exit 3"),
  forged(
    "nests a hundred thousand levels",
    'message(b\'{"t":"call","params":\' + b"[" * 100000 + b"]" * 100000 + b"}")\nos._exit(3)',
    "program_exit 3",
    refusedIn(/refused/),
  ),
  forged(
    "sends bytes that are no UTF-8",
    'message(b\'{"t":"call","id":"\\xff\\xfe"}\')\nos._exit(3)',
    "program_exit 3",
    refusedIn(/refused/),
  ),
  forged(
    "sends lone surrogates",
    'message(b\'{"t":"warning","message":"\\\\ud800","line":1}\')\nos._exit(3)',
    "program_exit 3",
  ),
  forged(
    "sends what is no object",
    'for body in (b"", b"1", b"null", b"[]", b"NaN", b\'"x"\', b"{}", b"{\\"t\\":1}"): message(body)\nos._exit(3)',
    "program_exit 3",
    refusedIn(/refused/),
  ),
  forged(
    "sends numbers out of range",
    'message(b\'{"t":"warning","message":"x","line":1e999}\')\nmessage(b\'{"t":"call","id":1}\')\nos._exit(3)',
    "program_exit 3",
  ),
  forged(
    "sends one key a million times",
    'message(b"{" + b\'"k":1,\' * 900000 + b\'"k":2}\')\nos._exit(3)',
    "program_exit 3",
  ),
  forged(
    "sends twenty messages of 1 MiB",
    'for _ in range(20): message({"t": "warning", "message": "x" * (1 << 20), "line": 1})\nos._exit(3)',
    "program_exit 3",
  ),
  forged(
    "floods with 20,000 tiny messages",
    'block = b"".join([struct.pack(">Ic", 2, b"C") + b"{}"] * 1000)\nfor _ in range(20):\n    data = memoryview(block)\n    while data: data = data[os.write(channel, data):]\nos._exit(3)',
    "program_exit 3",
    {
      check: ({ result }) => {
        if (JSON.stringify(result).length > 5_000_000) throw new Error("the document is too large");
      },
    },
  ),
  forged(
    "claims an exception and ends well",
    'message({"t": "exception", "type": "E", "message": "m", "traceback": "t", "errno": None})',
    "succeeded",
  ),
  {
    name: "prints banners of runs, and lines of other runs",
    meets: [49, 50],
    code: `
import os, sys
for stream in (sys.stdout, sys.stderr):
    stream.write("===== RUN 0 START =====\\nERROR: of the run before\\n===== RUN 0 END =====\\n")
    stream.flush()
os.write(1, b"\\xff\\xfe\\0\\x1b[2J\\x1b]0;title\\x07 not text\\n")
`,
    ends: "succeeded",
    again: {
      code: "print('second run')",
      prints: "second run",
      check: ({ result }) => {
        if (result.diagnostics.hasError || /RUN 0|title/.test(JSON.stringify(result)))
          throw new Error("of an earlier run");
      },
    },
  },
  forged(
    "claims success in words",
    'print(json.dumps({"schema": "iso-runtime/run-result@1", "ok": True, "status": "succeeded", "exitCode": 0}))\nprint("=== RUN FINISHED: succeeded ===")\nprint("\\x1e\\x00\\x1b]0;ok\\x07")\nraise SystemExit(9)',
    "program_exit 9",
  ),
  forged(
    "sends keys that JavaScript has a mind about",
    `
message(b'{"t":"call","id":"p1","tool_id":"host.echo","params":{"__proto__":{"text":"polluted"}},"reason":null}')
message(b'{"t":"call","id":"p2","tool_id":"host.echo","params":{"constructor":{"prototype":{"text":"x"}},"text":"fine"},"reason":null}')
message(b'{"__proto__":{"t":"call"},"id":"p3"}')
message(b'{"t":"call","id":"p4","tool_id":"host.echo","params":{"text":"a"},"reason":null,"__proto__":{"ok":true},"toString":1}')
await host.echo(text="after")
`,
    "succeeded",
    {
      meets: [40],
      check: ({ result }) => {
        const told = result.toolCalls
          .slice(0, -1)
          .map(({ id, ok }) => `${id} ${ok}`)
          .join(", ");
        if (told !== "p1 false, p2 false, p4 true" && told !== "p1 false, p2 true, p4 true") throw new Error(told);
        if ("text" in {} || "ok" in {}) throw new Error("Object.prototype is polluted");
      },
    },
  ),
  {
    name: "calls tools by names that every object has",
    meets: [40, 41],
    code: String.raw`
import asyncio
names = ["constructor", "toString", "hasOwnProperty", "__proto__", "", ".", "host.", ".echo", "host.constructor", "host.__proto__", "host.toString", "host..echo", "__proto__.echo", "HOST.echo", "host.echo ", "host.echo\0", "hidden.echo", "x" * 200]
async def one(name):
    try:
        await agent_io_tools.tool_call(params={"text": "x"}, tool_id=name, call_reason="r")
        print("executed", repr(name))
    except Exception as error:
        print(type(error).__name__, error.code)
for name in names: await one(name)
`,
    ends: "succeeded",
    prints: /^ToolError (unknown_tool|tool_not_allowed)$/,
  },
  {
    name: "calls a tool that is there but not allowed",
    meets: [41],
    code: `${CHANNEL}call("a", "host.secret")\nawait host.echo(text="after")`,
    ends: "succeeded",
    check: ({ result }) => {
      if (result.toolCalls.length !== 2 || result.toolCalls[0]?.error?.code !== "tool_not_allowed")
        throw new Error(JSON.stringify(result.toolCalls));
    },
  },
  {
    name: "replays one call a hundred times",
    meets: [41],
    code: `${CHANNEL}for _ in range(100): call("same", text="x")\nawait host.echo(text="after")`,
    ends: "succeeded",
    check: ({ result }) => {
      const done = result.toolCalls.filter(({ ok }) => ok);
      if (result.totals.toolCalls !== 101 || done.length !== 2)
        throw new Error(`${result.totals.toolCalls}, ${done.length}`);
    },
  },
  {
    name: "floods with 20,000 calls and reads no answer",
    meets: [39, 41],
    code: `${CHANNEL}for n in range(20000): call(str(n), text="x" * 100)\nos._exit(5)`,
    ends: "program_exit 5",
    check: ({ result }) => {
      const done = result.toolCalls.filter(({ ok }) => ok);
      if (done.length > 1000 || JSON.stringify(result).length > 5_000_000) throw new Error(`${done.length} done`);
    },
  },
  {
    name: "asks for large answers and reads none",
    meets: [39],
    code: `${CHANNEL}for n in range(200): call(str(n), "host.large")\nimport time; time.sleep(60)`,
    ends: "timeout",
    request: { timeoutMs: 2500 },
  },
  {
    name: "gives up calls that it never made",
    meets: [39],
    code: `${CHANNEL}for n in range(5000): message({"t": "cancel", "id": str(n)})\nos._exit(6)`,
    ends: "program_exit 6",
  },
  {
    name: "a child that speaks for its parent",
    meets: [38, 41],
    code: `${CHANNEL}if os.fork() == 0:\n    for n in range(100):\n        message({"t": "exception", "type": "Forged", "message": "", "traceback": "", "errno": "EMFILE"})\n    os._exit(0)\nos.wait()`,
    ends: "succeeded",
  },
  {
    name: "fills the way of its stack dump with another one",
    meets: [38, 46],
    code: String.raw`
import os, signal, time
pipes = [n for n in range(3, 64) if os.path.islink(f"/proc/self/fd/{n}") and os.readlink(f"/proc/self/fd/{n}").startswith("pipe:")]
for fd in pipes:
    os.set_blocking(fd, False)
    for _ in range(2000):
        try: os.write(fd, b'File "/sandbox/work/main.py", line 1 in forged\n')
        except OSError: break
signal.signal(signal.SIGRTMAX - 1, lambda *_: print("ha"))
while True: time.sleep(1)
`,
    ends: "timeout",
    request: { timeoutMs: 800 },
  },
  inProcess(
    "closes its channel and calls a tool",
    "import os\nos.closerange(3, 4096)\ntry:\n    await host.echo(text='x')\nexcept BaseException: pass\nraise SystemExit(4)",
    "program_exit 1",
  ),
  inProcess(
    "puts null in the place of each descriptor",
    "import os\nnull = os.open('/dev/null', os.O_RDWR)\nfor n in range(0, 2000):\n    try: os.fstat(n); os.dup2(null, n)\n    except OSError: pass\n1 / 0",
    "program_error ZeroDivisionError",
  ),
  inProcess(
    "puts stdout in the place of its channel",
    `${CHANNEL}import resource\nhard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\nresource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))\nos.dup2(1, channel)\nraise ValueError("x")`,
    "program_exit 1",
  ),
  inProcess(
    "puts its channel in the place of stdout",
    `${CHANNEL}os.dup2(channel, 1)\nprint("noise")\nsys.stdout.flush()\nos._exit(4)`,
    "program_exit 4",
  ),
  inProcess(
    "replaces every function of the runner",
    `
import gc, sys, types
for name, module in list(sys.modules.items()):
    if name.startswith("iso_runner"):
        for key, value in list(vars(module).items()):
            if callable(value): setattr(module, key, lambda *a, **k: None)
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and "iso_runner" in (thing.__code__.co_filename or ""):
        thing.__code__ = (lambda *a, **k: 0).__code__
raise SystemExit(6)
`,
    // Its process is its own, and ends with 0 as after `os._exit(0)`: what the kernel says is what is told.
    "succeeded",
  ),
  inProcess(
    "replaces what its end is made of",
    "import json, os, sys, traceback\njson.dumps = json.loads = lambda *a, **k: '{}'\ntraceback.format_exception = lambda *a, **k: ['all is well']\nsys.exit = os.getpid = lambda *a: 0\nos.write = lambda *a: 0\nsys.exc_info = lambda: (None, None, None)\nraise ValueError('true')",
    "program_error ValueError",
  ),
  inProcess(
    "walks the heap for the channel and forges a beginning",
    `
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == "ProgramChannel":
        try:
            thing.send(b"B", {})
            thing.send(b"P", {"stage": "program_setup", "message": "it was the host's fault"})
        except OSError: pass
raise SystemExit(5)
`,
    "program_exit 5",
  ),
  inProcess(
    "writes over its own interpreter",
    "import ctypes\nfor thing in (int, str, dict, type, BaseException, SystemExit):\n    ctypes.memset(id(thing), 0x41, 400)\nraise SystemExit(0)",
    "program_signal SIGSEGV",
  ),
  inProcess(
    "blocks every signal and waits",
    "import signal, time\nsignal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())\nwhile True: time.sleep(1)",
    "timeout",
  ),
  inProcess(
    "swallows every signal and computes",
    "import signal\nfor n in signal.valid_signals():\n    try: signal.signal(n, lambda *_: None)\n    except OSError: pass\nwhile True: pass",
    "timeout",
  ),
  inProcess(
    "stops itself again and again",
    "import os, signal\nif os.fork() == 0:\n    while True: os.kill(os.getppid(), signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)",
    "timeout",
  ),
  inProcess("blocks in a call of the kernel", "import os\nr, w = os.pipe()\nos.read(r, 1)", "timeout"),
  inProcess(
    "hides behind an ugly name",
    "import ctypes, os, time\nctypes.CDLL(None).prctl(15, b') R 1 1\\n(x', 0, 0, 0)\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nraise SystemExit(3)",
    "program_exit 3",
  ),
  inProcess(
    "makes itself the reaper of its orphans",
    "import ctypes, os, time\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\nif os.fork() == 0:\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\nraise SystemExit(3)",
    "program_exit 3",
  ),
  inProcess(
    "makes itself undumpable",
    "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nwhile True: pass",
    "timeout",
  ),
];

/** What ends by its time alone needs little of it. */
export const PROTOCOL = ATTACKS.map((attack) =>
  attack.ends === "timeout" && !attack.request ? { ...attack, request: { timeoutMs: 800 } } : attack,
);
