// One hostile snippet: what it tries, how its run must end, and what must be seen. The lists beside this file hold them by area;
// a new one is an entry there and nothing else.
import type { RunRequest, RunResult } from "../../../src/index.js";

export interface Attack {
  name: string;
  /** Numbers of the threats it meets (docs/hostile-suite.md). */
  meets: readonly number[];
  code: string;
  /** As `endingOf` words it; a pattern where machines or Pythons differ. */
  ends: string | RegExp;
  /** Each line of stdout, or the whole of it. */
  prints?: RegExp | string;
  /** Of the request, beside the code. */
  request?: Omit<RunRequest, "userId" | "code">;
  check?: ((seen: Seen) => void | Promise<void>) | undefined;
  /** A second run of the same user and request, right after. */
  again?: Pick<Attack, "code" | "prints" | "check"> & Partial<Pick<Attack, "ends">>;
}

/** What a check can look at. */
export interface Seen {
  result: RunResult;
  /** The user's files on the host after the run. */
  workspace: string;
}

/** Status or code, and the detail that belongs to it, in one line. */
export function endingOf({ status, error, exitCode, signal }: RunResult): string {
  if (error === null) return status;
  const detail = {
    program_error: error.exception?.type,
    program_exit: exitCode,
    program_signal: signal,
    limit_exceeded: error.limit,
  };
  const found = Object.entries(detail).find(([code]) => code === error.code)?.[1];
  return found === undefined ? error.code : `${error.code} ${found}`;
}

/** `attempt(label, act)` prints what came of it: "got through", or the name of the kernel's refusal; `syscall` raises as os does. */
const PRELUDE = `
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result
def attempt(label, act):
    try:
        act()
        print(label + ": got through")
    except OSError as error:
        print(label + ": " + errno.errorcode.get(error.errno, str(error)))
`;
const EACH_REFUSED = /: E[A-Z0-9]+$/;

/** A run that goes on although everything it attempts is refused. `body` uses `attempt` and `syscall`. */
export function refused(name: string, meets: readonly number[], body: string, request: Attack["request"] = {}): Attack {
  return { name, meets, code: PRELUDE + body, ends: "succeeded", prints: EACH_REFUSED, request };
}
