// The one error of safefs: what was wrong with an entry, in a word that callers can switch on.

export type SafeFsReason =
  | "invalid_path"
  | "missing"
  | "link"
  | "not_regular"
  | "not_directory"
  | "exists"
  | "too_large"
  | "unreadable"
  | "moved"
  | "io";

export class SafeFsError extends Error {
  override readonly name = "SafeFsError";
  readonly reason: SafeFsReason;
  /** The system's own code, as "ENOSPC", where a system call failed. */
  readonly code: string | undefined;

  constructor(reason: SafeFsReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.code = errnoOf(cause);
  }
}

/** The system error code of a thrown value, as "ENOENT", or undefined. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
