// One request to the service, sent again where that is safe: where nothing was done and it was said when to ask again, and, for what may be
// done twice, where no answer came.
import { ConnectionError, ProblemError, problemOf } from "./errors.js";
import { backoffMs, wait } from "./wait.js";

/** Longer ones are the caller's to wait for. */
const MAX_WAIT_MS = 60_000;
const DEFAULT_RETRIES = 5;
/** An answer that was waited for this long and then lost is no sign that the service is away: Node.js itself gives up after five minutes. */
const LONG_MS = 30_000;

export interface ClientOptions {
  /** Where the service is; it may be below a path. */
  url: string | URL;
  /** A key of `iso-runtime keys create`, or the token that the service printed. */
  token: string;
  /** Whose runs and files they are, where a call does not say it. A key of one user needs none. */
  user?: string | undefined;
  /** How often in a row a request is sent again; 0: never. Default 5. */
  retries?: number | undefined;
  /** In the place of the global one. */
  fetch?: typeof fetch | undefined;
}

export interface Sent {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string | undefined>;
  body?: NonNullable<RequestInit["body"]> | undefined;
  signal?: AbortSignal | undefined;
  /** Whether it does no harm twice. */
  repeatable?: boolean;
  /** Whether the answer may take as long as a run does. */
  waits?: boolean;
}

export class Transport {
  readonly user: string | undefined;
  readonly retries: number;
  readonly #base: URL;
  readonly #token: string;
  readonly #fetch: typeof fetch;

  constructor({ url, token, user, retries = DEFAULT_RETRIES, fetch: own }: ClientOptions) {
    this.#base = new URL(url);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#token = token;
    this.user = user;
    this.retries = retries;
    // As a method of its object: a browser's refuses to be called as anybody else's.
    this.#fetch = own ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** `path` is relative to the service. Throws ProblemError and ConnectionError, and what `signal` was aborted with. */
  async send(path: string, sent: Sent = {}): Promise<Response> {
    for (let failures = 0; ; failures += 1) {
      const startedAt = performance.now();
      try {
        return await this.sendOnce(path, sent);
      } catch (error) {
        sent.signal?.throwIfAborted();
        if (sent.waits && performance.now() - startedAt > LONG_MS) failures = 0;
        const delayMs = failures < this.retries ? delayBefore(error, failures, sent) : null;
        if (delayMs === null) throw error;
        await wait(delayMs, sent.signal);
      }
    }
  }

  async sendOnce(path: string, { method = "GET", query, headers, body, signal }: Sent): Promise<Response> {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const given = Object.entries(headers ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined);
    const init = {
      ...{ method, headers: { Authorization: `Bearer ${this.#token}`, ...Object.fromEntries(given) } },
      // The token is for this service alone.
      ...{ redirect: "error", credentials: "omit", cache: "no-store" },
      ...(body !== undefined && { body }),
      // What a stream needs to be sent.
      ...(body instanceof ReadableStream && { duplex: "half" }),
      ...(signal && { signal }),
    } satisfies RequestInit;
    let response: Response;
    try {
      response = await this.#fetch(url, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw new ConnectionError(`${method} ${url.pathname}: there was no answer`, { cause: error });
    }
    if (response.ok) return response;
    throw await problemOf(response);
  }

  /** The answer's JSON. An answer that is cut in the middle is as one that did not come. */
  async json<T>(path: string, sent: Sent = {}): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      const response = await this.send(path, sent);
      try {
        return (await response.json()) as T;
      } catch (error) {
        sent.signal?.throwIfAborted();
        if (!sent.repeatable || failures >= this.retries) {
          throw new ConnectionError(`${path}: the answer is not whole`, { cause: error });
        }
        await wait(backoffMs(failures), sent.signal);
      }
    }
  }
}

/** Null: it is not sent again. */
function delayBefore(error: unknown, failures: number, { body, repeatable }: Sent): number | null {
  // A stream is gone once it was read.
  if (body instanceof ReadableStream) return null;
  if (error instanceof ConnectionError) return repeatable ? backoffMs(failures) : null;
  if (!(error instanceof ProblemError) || (error.status !== 429 && error.status !== 503)) return null;
  // Without that word another try would not fare better, as where no sandbox can be had.
  const { retryAfterMs } = error;
  if (retryAfterMs === undefined || retryAfterMs > MAX_WAIT_MS) return null;
  return Math.max(retryAfterMs, 100) * spread();
}

/** So that callers who were refused together do not come back together. */
const spread = () => 1 + Math.random() / 4;
