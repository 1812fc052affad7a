// Runs: start, wait, look, follow, end.
import { ConnectionError, ProblemError } from "./errors.js";
import { follow } from "./follow.js";
import { filePath, pathPart } from "./paths.js";
import type { Transport } from "./transport.js";
import type {
  FileOptions,
  KeptRequest,
  OfUser,
  Receipt,
  RunEvent,
  RunRequest,
  RunResult,
  RunStatus,
  RunSummary,
  RunUnderWay,
} from "./types.js";
import { backoffMs, wait } from "./wait.js";

/** Between two looks at a run that another process is at, once it takes long. */
const MAX_LOOK_MS = 4000;

export interface StartOptions {
  signal?: AbortSignal | undefined;
  /** The same key with the same request is the same run. Without one each call has a key of its own, so that it may be sent again. */
  idempotencyKey?: string | undefined;
}
export interface ListOptions extends OfUser {
  /** Of one page; all pages are asked for, one after another. */
  pageSize?: number | undefined;
  /** Runs that are older than this one. */
  before?: string | undefined;
  status?: RunStatus | readonly RunStatus[] | undefined;
  /** Words of the code, the error or the beginning of the output; runs that have all of them. */
  text?: string | undefined;
  /** Runs that were taken then or later; a text is a time as `2031-01-31T12:00:00Z`. */
  since?: Date | string | undefined;
  /** Runs that were taken before. */
  until?: Date | string | undefined;
}
export interface FollowOptions extends OfUser {
  /** The number of the last event that was read. */
  after?: number | undefined;
}

export class Runs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Runs it and answers when it has ended, however it ended. Throws ProblemError where nothing ran. */
  async create(request: RunRequest, options: StartOptions = {}): Promise<RunResult> {
    return await this.#post<RunResult>(request, options, undefined);
  }

  /** Answers as soon as it is taken: with the run under way, or with its result where the key's run has ended. */
  async start(request: RunRequest, options: StartOptions = {}): Promise<RunUnderWay | RunResult> {
    return await this.#post<RunUnderWay | RunResult>(request, options, "respond-async");
  }

  /** The result, or how far it is. */
  async get(runId: string, { user, signal }: OfUser = {}): Promise<RunUnderWay | RunResult> {
    return await this.#transport.json(of(runId), { query: this.#query(user), signal, repeatable: true });
  }

  /** What was asked for, without its secrets. */
  async request(runId: string, { user, signal }: OfUser = {}): Promise<KeptRequest> {
    return await this.#transport.json(`${of(runId)}/request`, { query: this.#query(user), signal, repeatable: true });
  }

  /** What the journal has of it, while that is among its newest. */
  async receipt(runId: string, { user, signal }: OfUser = {}): Promise<Receipt> {
    return await this.#transport.json(`${of(runId)}/receipt`, { query: this.#query(user), signal, repeatable: true });
  }

  /** The runs that the service keeps, the newest first. */
  async *list(options: ListOptions = {}): AsyncGenerator<RunSummary, void, undefined> {
    const { user, signal, pageSize, before, status, text, since, until } = options;
    const wanted = { status: status && [status].flat().join(","), text, since: timeOf(since), until: timeOf(until) };
    for (let from = before; ; ) {
      const query = { ...this.#query(user), ...wanted, limit: pageSize, before: from };
      const page = await this.#transport.json<{ runs: RunSummary[]; next: string | null }>("v1/runs", {
        ...{ query, signal, repeatable: true },
      });
      yield* page.runs;
      if (page.next === null) return;
      from = page.next;
    }
  }

  /** Asks it to end; its events and its result tell when it has. */
  async cancel(runId: string, { user, signal }: OfUser = {}): Promise<RunUnderWay | RunResult> {
    const sent = { method: "POST", query: this.#query(user), signal, repeatable: true } as const;
    return await this.#transport.json(`${of(runId)}/cancel`, sent);
  }

  /** Its events from the first one on, each once, up to `run.finished`; goes on by itself where a connection was cut. */
  events(runId: string, { user, signal, after = 0 }: FollowOptions = {}): AsyncGenerator<RunEvent, void, undefined> {
    return follow(this.#transport, { path: `${of(runId)}/events`, query: this.#query(user), after, signal });
  }

  /** Its result, once it has ended. One that another process of the service is at is looked at again and again. */
  async wait(runId: string, { user, signal }: OfUser = {}): Promise<RunResult> {
    for (let looks = 0; ; looks += 1) {
      try {
        for await (const event of this.events(runId, { user, signal })) {
          if (event.type === "run.finished") return event.result;
        }
        throw new ConnectionError("the events ended without the run's result");
      } catch (error) {
        // Events of a run have no other conflict.
        if (!(error instanceof ProblemError && error.code === "conflict")) throw error;
      }
      const run = await this.get(runId, { user, signal });
      if ("ok" in run) return run;
      await wait(Math.min(backoffMs(looks), MAX_LOOK_MS), signal);
    }
  }

  /** A file as the run left it. */
  async file(runId: string, path: string, options: FileOptions = {}): Promise<Response> {
    const { user, workspace, range, ifRange, signal } = options;
    const query = { ...this.#query(user), workspace };
    const sent = { query, headers: { Range: range, "If-Range": ifRange }, signal, repeatable: true };
    return await this.#transport.send(`${of(runId)}/files/${filePath(path)}`, sent);
  }

  #query(user: string | undefined) {
    return { user: user ?? this.#transport.user };
  }

  async #post<T>(request: RunRequest, { signal, idempotencyKey }: StartOptions, prefer: string | undefined) {
    const { user } = this.#transport;
    const headers = {
      "Content-Type": "application/json",
      "Idempotency-Key": idempotencyKey ?? newKey(),
      Prefer: prefer,
    };
    const body = JSON.stringify({ ...(user !== undefined && { userId: user }), ...request });
    const sent = { method: "POST", headers, body, signal, repeatable: true, waits: prefer === undefined } as const;
    return await this.#transport.json<T>("v1/runs", sent);
  }
}

const timeOf = (time: Date | string | undefined) => (time instanceof Date ? time.toISOString() : time);

const of = (runId: string) => `v1/runs/${pathPart(runId)}`;

/** As good as a UUID, also where a page has none to give because it came without TLS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
