// What a request fails with: the service's own word for it (RFC 9457), or that there was no answer.
import type { ErrorCode } from "../model/errors.js";

/** Of an answer that is no problem document, as a proxy in between may send one. */
export type ProblemCode = ErrorCode | "unknown_answer";

interface ProblemParts {
  status: number;
  code: ProblemCode;
  hint?: string | undefined;
  field?: string | undefined;
  runId?: string | undefined;
  retryAfterMs?: number | undefined;
}

/** The service refused the request, or could not do it. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: number;
  readonly code: ProblemCode;
  /** The way out, where there is one. */
  readonly hint: string | undefined;
  /** The part of the request at fault. */
  readonly field: string | undefined;
  /** The run that came to nothing. */
  readonly runId: string | undefined;
  /** How long the service asked to wait before the same request. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { status, code, hint, field, runId, retryAfterMs }: ProblemParts) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.field = field;
    this.runId = runId;
    this.retryAfterMs = retryAfterMs;
  }
}

/** There was no answer, or not all of it: the service cannot be reached, or the connection was cut. `cause` says why. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

const MAX_TEXT = 300;

export async function problemOf(response: Response): Promise<ProblemError> {
  const { status, headers } = response;
  const retryAfterMs = retryAfterOf(headers);
  const text = await response.text().catch(() => "");
  const body = parsed(text);
  if (typeof body?.code !== "string") {
    const said = text.replace(/\s+/g, " ").trim().slice(0, MAX_TEXT);
    const message = `The answer is ${status} and no problem document${said === "" ? "" : `: ${said}`}`;
    return new ProblemError(message, { status, code: "unknown_answer", retryAfterMs });
  }
  const word = (name: string) => (typeof body[name] === "string" ? body[name] : undefined);
  return new ProblemError(word("detail") ?? body.code, {
    ...{ status, code: body.code as ErrorCode, retryAfterMs },
    ...{ hint: word("hint"), field: word("field"), runId: word("runId") },
  });
}

/** Seconds, or a date: then by the clock that wrote it, since ours may be another. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("Retry-After")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const ms = Date.parse(text) - Date.parse(headers.get("Date") ?? "");
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
