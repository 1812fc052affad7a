// One program that tries all probes, each in a process of its own, so that one that dies or hangs costs no other. What it prints
// is read as what it is: the word of a sandbox.
import { z } from "zod";
import type { Probe, Seen } from "./attack.js";

const HEAD = `
import ctypes, errno, json, os, select, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
X64 = os.uname().machine == "x86_64"

class Absent(Exception):
    pass

def absent(why):
    raise Absent(why)

def call(x64, arm64, *args):
    """A system call by its number; OSError where it answers -1."""
    number = x64 if X64 else arm64
    if number is None:
        absent("this machine has no such call")
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *args)
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result

def first(attempts):
    """The first of these that succeeds; else the refusal of the first."""
    refusal = None
    for attempt in attempts:
        try:
            return attempt()
        except OSError as error:
            refusal = refusal or error
    raise refusal

def opened(path, flags=os.O_WRONLY):
    """Opens and closes: nothing is written."""
    os.close(os.open(path, flags | os.O_NONBLOCK))
    return path

def attempt(probe):
    try:
        return {"done": probe()}
    except Absent as why:
        return {"absent": str(why)}
    except OSError as error:
        if error.errno is None:
            return {"failed": repr(error)[:500]}
        return {"errno": errno.errorcode.get(error.errno, str(error.errno))}
    except BaseException as error:
        return {"failed": repr(error)[:500]}

def apart(probe):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, json.dumps(attempt(probe), default=repr).encode()[:60000])
        os._exit(0)
    os.close(writer)
    told = b""
    deadline = time.monotonic() + 10
    while select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]:
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        told += chunk
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    if told:
        return json.loads(told)
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    return {"failed": "it told nothing"}
`;

const SeenSchema = z.union([
  z.strictObject({ done: z.unknown() }),
  z.strictObject({ absent: z.string() }),
  z.strictObject({ errno: z.string() }),
  z.strictObject({ signal: z.string() }),
  z.strictObject({ failed: z.string() }),
]);
const Answers = z.record(z.string(), SeenSchema);

/** `facts` are the names that probes find as globals in capitals. */
export function probeProgram(probes: readonly Probe[], facts: Readonly<Record<string, unknown>>): string {
  const known = Object.entries(facts).map(([name, value]) => `${name} = json.loads(${pythonText(value)})`);
  const functions = probes.map(({ python }, index) => {
    const body = python.trim().split("\n");
    return `def probe_${index}():\n${body.map((line) => `    ${line}`).join("\n")}\n`;
  });
  const tell = `print(json.dumps({str(n): apart(globals()["probe_%d" % n]) for n in range(${probes.length})}))`;
  return [HEAD, ...known, ...functions, tell, ""].join("\n");
}

/** What each probe saw, in their order; undefined for those that told nothing. */
export function readAnswers(stdout: string, count: number): (Seen | undefined)[] {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  let told: Record<string, Seen> = {};
  try {
    told = Answers.parse(JSON.parse(line));
  } catch {
    // Each is told as unclear.
  }
  return Array.from({ length: count }, (_, index) => told[String(index)]);
}

/** JSON within a Python literal: every JSON string is one in Python as well. */
const pythonText = (value: unknown): string => JSON.stringify(JSON.stringify(value));
