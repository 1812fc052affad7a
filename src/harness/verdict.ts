// The ending of a run from what the host knows: pure, and the only place that decides a status. Runtime beats contract.
import type { HostStop, ProgramEnd, Status } from "../model/ending.js";
import { ERRORS, type ErrorCode } from "../model/errors.js";
import type { LimitName } from "../model/limits.js";
import type { Policy, RunError } from "../model/result.js";

export interface Evidence {
  end: ProgramEnd;
  /** Set when the engine or the runner failed us. */
  lost: string | null;
  /** True once user code had started. */
  begun: boolean;
  /** Sentence about unmet artifacts; null where there is no contract or it is met. */
  contractUnmet: string | null;
  /** A limit found exceeded when out/ was measured after the end. */
  overQuota: { limit: LimitName; message: string } | null;
  policy: Policy;
  timeoutMs: number;
}

export interface Verdict {
  status: Status;
  error: RunError | null;
  exitCode: number | null;
  signal: string | null;
}

export function decide(evidence: Evidence): Verdict {
  const { end } = evidence;
  if (end.hostStop) return stoppedByHost(end.hostStop, evidence);
  if (!end.reported || !evidence.begun) return vanished(evidence);
  const { exitCode, signal } = end;
  const own = (code: ErrorCode, message: string, extra: Partial<RunError> = {}): Verdict => ({
    status: "failed",
    error: makeError(code, message, extra),
    exitCode,
    signal,
  });

  if (signal === "SIGKILL" && (end.oomKills ?? 0) > 0) return outOfMemory(evidence, exitCode, signal);
  if (signal !== null) {
    const limit = signal === "SIGXFSZ" ? { limit: "fileSize" } : {};
    // CPython ends by this signal where a KeyboardInterrupt was not caught.
    const said = signal === "SIGINT" ? ownWords(end) : {};
    return own("program_signal", `The program was killed by ${signal}.`, { ...limit, ...said });
  }
  if (exitCode === null) return vanished(evidence);
  if (exitCode !== 0) {
    const limit = refusedBy(evidence);
    if (exitCode === 1 && end.exception) {
      const { type, message } = end.exception;
      const head = message ? `${type}: ${message}` : type;
      return own("program_error", `The program raised ${shorten(head)}`, {
        ...limit,
        ...wayOut(type),
        ...ownWords(end),
      });
    }
    return own("program_exit", `The program ended with exit code ${exitCode}.`, limit);
  }
  if (evidence.overQuota) return own("limit_exceeded", evidence.overQuota.message, { limit: evidence.overQuota.limit });
  if (evidence.contractUnmet !== null) return own("contract_unmet", evidence.contractUnmet);
  return { status: "succeeded", error: null, exitCode, signal };
}

function stoppedByHost(stop: HostStop, evidence: Evidence): Verdict {
  const base = { exitCode: null, signal: null };
  if (stop.reason === "timeout") {
    const message = `The program did not end within ${evidence.timeoutMs / 1000} s.`;
    return { ...base, status: "timed_out", error: makeError("timeout", message, ownWords(evidence.end)) };
  }
  if (stop.reason === "cancelled") {
    return { ...base, status: "cancelled", error: makeError("cancelled", "The caller cancelled the run.") };
  }
  return { ...base, status: "failed", error: makeError("limit_exceeded", stop.message, { limit: stop.limit }) };
}

function ownWords({ exception }: ProgramEnd): Pick<RunError, "exception"> {
  if (!exception) return {};
  const { type, message, traceback } = exception;
  return { exception: { type, message, traceback } };
}

function wayOut(type: string): { hint?: string } {
  if (type !== "ModuleNotFoundError") return {};
  return {
    hint: "Do without it, or choose a Python that has it: `ISO_RUNTIME_PYTHON`, or a profile's `python` or `image`.",
  };
}

/** The supervisor did not tell of an end, or of one before user code began: the kernel's counts come first, then the engine's word; never a guess at success. */
function vanished(evidence: Evidence): Verdict {
  if ((evidence.end.oomKills ?? 0) > 0) return outOfMemory(evidence, null, "SIGKILL");
  const reason = evidence.lost ?? "the sandbox ended without telling how";
  const when = evidence.begun ? "while the program ran" : "before the program started";
  const error = makeError("sandbox_unavailable", `The sandbox was lost ${when}: ${reason}.`, {
    hint: "It is safe to run it again. `iso-runtime doctor` checks the engine.",
  });
  return { status: "failed", error, exitCode: null, signal: null };
}

function outOfMemory(evidence: Evidence, exitCode: number | null, signal: string | null): Verdict {
  const { value } = evidence.policy.limits.memory;
  // Its own limit, or that of a group around it, or the host had no more: the kernel counts them alike.
  const message = `The kernel killed the program for the memory it used; its limit is ${Math.round(value / 1024 / 1024)} MiB.`;
  return { status: "failed", error: makeError("out_of_memory", message, { limit: "memory" }), exitCode, signal };
}

/** Which limit's refusal a failing program met, by its own exception and the kernel's counts. */
function refusedBy({ end, policy }: Evidence): { limit?: LimitName } {
  const { exception } = end;
  if (exception) {
    const byErrno: Record<string, LimitName> = { EMFILE: "openFiles", EFBIG: "fileSize" };
    const limit = byErrno[exception.errno ?? ""];
    if (limit) return { limit };
    const forkRefused = exception.errno === "EAGAIN" || exception.message.includes("can't start new thread");
    const { memory, processes } = policy.limits;
    // Where nothing counts refusals, a program that never had that many met another limit: threads need memory too.
    const mayHaveHadAll = (end.tasks ?? processes.value) >= processes.value;
    if (forkRefused && (processes.hits ?? (mayHaveHadAll ? 1 : 0)) > 0) return { limit: "processes" };
    if ((forkRefused || exception.errno === "ENOMEM") && memory.enforcedBy === "rlimit") return { limit: "memory" };
  }
  return (end.oomKills ?? 0) > 0 ? { limit: "memory" } : {};
}

export function makeError(code: ErrorCode, message: string, extra: Partial<RunError> = {}): RunError {
  const row: { exit: number; hint?: string } = ERRORS[code];
  return { code, message, ...(row.hint !== undefined && { hint: row.hint }), ...extra };
}

const shorten = (line: string): string => (line.length > 500 ? `${line.slice(0, 500)}…` : line);
