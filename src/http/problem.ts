// What a request that fails is answered with: RFC 9457, made of the table of error codes. What is ours alone to know goes to the log.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { ERRORS, type ErrorCode, IsoError, toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { jsonAnswer } from "./answer.js";

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  hint?: string;
  field?: string;
  runId?: string;
}

/** Codes of what the framework refuses by itself. */
const CODE_OF_STATUS = new Map<number, ErrorCode>([
  [413, "too_large"],
  [415, "unsupported_media_type"],
]);
/** Where the place that raised the error knew no better. */
const RETRY_AFTER_MS: Partial<Record<ErrorCode, number>> = { too_busy: 1000, shutting_down: 5000 };

export interface ProblemOptions {
  headers?: Record<string, string>;
  /** The run that came to nothing. */
  runId?: string;
  log?: (line: string) => void;
  /** Paths of the host that no answer names. */
  hidden?: readonly string[];
}

export function problem(thrown: unknown, { headers, runId, log, hidden = [] }: ProblemOptions = {}): Response {
  const error = thrown instanceof HTTPException ? ofFramework(thrown) : toIsoError(thrown);
  const { code, hint, field } = error;
  if (code === "internal") log?.(`${error.message}\n${error.stack ?? ""}`);
  const { http: status } = ERRORS[code];
  const body: Problem = {
    ...{ type: `urn:iso-runtime:error:${code}`, title: code.replaceAll("_", " "), status },
    // What failed inside may name files of the host.
    detail: code === "internal" ? "The service failed at this; its log says more." : without(hidden, error.message),
    code,
    ...(hint !== undefined && { hint }),
    ...(field !== undefined && { field }),
    ...(runId !== undefined && { runId }),
  };
  const retryAfterMs = error.retryAfterMs ?? RETRY_AFTER_MS[code];
  // An ending of a run is no failure of a request: whoever makes a problem of one has made a mistake of ours.
  return jsonAnswer(JSON.stringify(body), status < 400 ? 500 : status, {
    "Content-Type": "application/problem+json",
    ...(retryAfterMs !== undefined && { "Retry-After": String(Math.ceil(retryAfterMs / 1000)) }),
    ...(code === "unauthorized" && { "WWW-Authenticate": "Bearer" }),
    ...headers,
  });
}

const without = (hidden: readonly string[], text: string): string =>
  hidden.reduce((rest, path) => rest.replaceAll(path, "…"), text);

/** The fault of a run for which nothing ran; null for one that ran, whatever its ending. */
export function faultOf({ status, error, sandbox }: RunResult): IsoError | null {
  if (error === null || sandbox !== null) return null;
  if (status !== "rejected" && error.code !== "sandbox_unavailable" && error.code !== "internal") return null;
  return new IsoError(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
}

/** For a path that there is with other methods than this, and for one that there is not. */
export function noRoute(context: Context, allowed: readonly string[]): Response {
  const { method, path } = context.req;
  if (allowed.length === 0) {
    const hint = "GET /openapi.json describes all that there is.";
    return problem(new IsoError("not_found", `There is no ${path.slice(0, 200)} here.`, { hint }));
  }
  const error = new IsoError("method_not_allowed", `${method.slice(0, 20)} is not for ${path.slice(0, 200)}.`);
  return problem(error, { headers: { Allow: allowed.join(", ") } });
}

function ofFramework({ status, message }: HTTPException): IsoError {
  const code = CODE_OF_STATUS.get(status);
  if (code === "unsupported_media_type") return new IsoError(code, "The body must be application/json.");
  if (code !== undefined) return new IsoError(code, message);
  if (status >= 500) return new IsoError("internal", message);
  return new IsoError(
    "invalid_request",
    /json/i.test(message) ? "The body is no JSON." : message || "It is no request.",
  );
}
