// One way to the service: the token and the user go along, and what comes back as a problem is thrown as one.
import { isOthersKey, lost, reached, refuse, token, user } from "../state/session.js";

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly field: string | null;
  /** When to ask again, where the service says so. */
  readonly retryAfterMs: number | null;

  constructor(
    status: number,
    told: { detail?: unknown; code?: unknown; hint?: unknown; field?: unknown },
    retryAfterMs: number | null,
  ) {
    super(typeof told.detail === "string" ? told.detail : `The service answered ${status}.`);
    this.status = status;
    this.code = typeof told.code === "string" ? told.code : "unknown";
    this.hint = typeof told.hint === "string" ? told.hint : null;
    this.field = typeof told.field === "string" ? told.field : null;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The service cannot be reached. */
export class Unreachable extends Error {
  constructor() {
    super("The service cannot be reached.");
  }
}

export interface Asked {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  json?: unknown;
  body?: Blob;
  headers?: Record<string, string>;
  query?: Record<string, string | number | undefined>;
  signal?: AbortSignal | undefined;
  /** True for what is the same for every user. */
  common?: boolean;
}

/** Throws `Problem`, `Unreachable`, or the signal's reason. */
export async function ask(path: string, asked: Asked = {}): Promise<Response> {
  const { method, json, body, headers, query = {}, signal, common = false } = asked;
  const parameters = new URLSearchParams();
  if (!common && user.value !== null && user.value !== "") parameters.set("user", user.value);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  let response: Response;
  try {
    response = await fetch(`${path}${text === "" ? "" : `?${text}`}`, {
      method: method ?? (json === undefined ? "GET" : "POST"),
      headers: {
        ...(token.value !== null && { Authorization: `Bearer ${token.value}` }),
        ...(json !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(body !== undefined && { body }),
      ...(signal && { signal }),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    lost();
    throw new Unreachable();
  }
  reached();
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) refuse(problem.message);
  if (problem.status === 403 && /^user(Id)?$/.test(problem.field ?? "")) isOthersKey.value = true;
  throw problem;
}

export async function askJson<T>(path: string, asked: Asked = {}): Promise<T> {
  return (await (await ask(path, asked)).json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const told: unknown = await response.json().catch(() => ({}));
  return new Problem(
    response.status,
    typeof told === "object" && told !== null ? told : {},
    Number.isFinite(seconds) ? Math.min(seconds, 3600) * 1000 : null,
  );
}

/** A file's path as a part of an address: each name for itself, so that a slash stays one. */
export const inAddress = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

export const sayError = (error: unknown): string => (error instanceof Error ? error.message : String(error));
