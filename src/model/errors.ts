// Every error code of the project, in one table: whose fault it is, what the command line exits with, and what to do next.
// A result's `error.code`, a rejected request and a thrown IsoError all take their code from here.

type Fault = "program" | "caller" | "ours";

interface ErrorRow {
  readonly fault: Fault;
  /** Exit status of the command line (behaviour §10). */
  readonly exit: number;
  /** Status an HTTP surface answers with when the request itself fails; a finished run answers 200 whatever its ending. */
  readonly http: number;
  /** Default advice, used where the place that raises the error has nothing more precise to say. */
  readonly hint?: string;
}

const program = (exit = 1): ErrorRow => ({ fault: "program", exit, http: 200 });
const caller = (http = 400, hint?: string): ErrorRow => ({ fault: "caller", exit: 2, http, ...(hint && { hint }) });
const ours = (http: number, hint?: string): ErrorRow => ({ fault: "ours", exit: 3, http, ...(hint && { hint }) });

export const ERRORS = {
  program_error: program(),
  program_exit: program(),
  program_signal: program(),
  out_of_memory: { ...program(137), hint: "Use less memory, or raise the profile's `memory`." },
  limit_exceeded: program(),
  contract_unmet: program(),
  timeout: { ...program(124), hint: "Make the program faster, or raise the timeout." },
  cancelled: { fault: "caller", exit: 130, http: 200 },
  interrupted: {
    fault: "ours",
    exit: 1,
    http: 200,
    hint: "Our own process ended during the run; it is safe to run it again.",
  },

  invalid_request: caller(),
  contract_invalid: caller(),
  invalid_user_id: caller(400, "1–128 characters, NFC, no control characters, not blank, not . or .."),
  unknown_profile: caller(404),
  unknown_scenario: caller(404),
  unknown_tool: caller(404),
  requirement_unmet: caller(
    422,
    "`iso-runtime doctor` shows what this host can enforce and how to mend what it cannot.",
  ),
  not_found: caller(404),
  conflict: caller(409),
  unauthorized: caller(
    401,
    "Send a key, or the token that the service printed when it started, as `Authorization: Bearer …`.",
  ),
  forbidden: caller(403),
  method_not_allowed: caller(405),
  too_large: caller(413),
  unsupported_media_type: caller(415),
  range_not_satisfiable: caller(416),
  quota_exceeded: caller(
    403,
    "Remove files that are not needed any more, or ask whoever runs the service for more room.",
  ),
  too_busy: { ...caller(429, "Wait as long as Retry-After says, and ask again."), exit: 3 },
  tools_invalid: caller(),
  bundle_invalid: caller(),
  config_invalid: caller(),

  sandbox_unavailable: ours(503, "Run `iso-runtime doctor`: it names what is missing and the command that mends it."),
  shutting_down: ours(503, "Ask again when the service has started anew."),
  internal: ours(500),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Codes of a failed tool call, as the snippet's ToolError and the record of the call carry them. They never end a run. */
export const TOOL_ERROR_CODES = [
  "unknown_tool",
  "tool_not_allowed",
  "invalid_params",
  "tool_failed",
  "tool_timeout",
  "tool_cancelled",
  "too_many_calls",
  "duplicate_call",
  "call_too_large",
  "result_invalid",
] as const;
export type ToolErrorCode = (typeof TOOL_ERROR_CODES)[number];

/** The one error class of the project. `field` names the part of a request or file at fault. */
export class IsoError extends Error {
  override readonly name = "IsoError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly field: string | undefined;
  /** When it is worth asking again, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; field?: string; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    const row: ErrorRow = ERRORS[code];
    this.hint = options.hint ?? row.hint;
    this.field = options.field;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Any thrown value as an IsoError; what is not ours already becomes `internal` with the original as its cause. */
export function toIsoError(thrown: unknown): IsoError {
  if (thrown instanceof IsoError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const hint = WAYS_OUT[errno];
  return new IsoError("internal", message, { cause: thrown, ...(hint !== undefined && { hint }) });
}

/** What to do about the host's own troubles; nothing was lost by any of them. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  ENOSPC: "The disk that holds the workspace and sandbox roots is full: free some space, and run it again.",
  EDQUOT: "The disk quota of the workspace and sandbox roots is used up: free some space, and run it again.",
  EIO: "The disk that holds the workspace and sandbox roots failed: the kernel's log (`dmesg`) says more.",
  EROFS: "The workspace and sandbox roots are on a read-only file system: remount it, or choose other roots.",
  EACCES: "The workspace and sandbox roots must be writable: mend their owner or mode, or choose other roots.",
  EMFILE: "This process has too many open files: raise its limit (`ulimit -n`).",
};
