// The API without a socket: real routes over runs that a test begins, tells about and ends.

import { EventBus } from "../../src/comm/event-bus.js";
import type { Admission } from "../../src/harness/admission.js";
import { askedFor } from "../../src/harness/kept-request.js";
import { SecretNames } from "../../src/harness/redaction/names.js";
import { Redaction } from "../../src/harness/redaction/redaction.js";
import type { RunRequest } from "../../src/harness/request.js";
import { blankResult } from "../../src/harness/result.js";
import type { RunHistory } from "../../src/harness/run-history.js";
import { type RegistryBounds, RunRegistry, type RunTaker } from "../../src/harness/run-registry.js";
import type { TakenRun, TakeOptions } from "../../src/harness/runtime.js";
import { StorageQuota } from "../../src/harness/storage-quota.js";
import { createApp } from "../../src/http/app.js";
import type { KeyRing } from "../../src/http/caller.js";
import { EventStreams } from "../../src/http/events.js";
import { RunFigures } from "../../src/http/figures.js";
import type { Entry } from "../../src/http/record.js";
import type { Service } from "../../src/http/service.js";
import { IsoError } from "../../src/model/errors.js";
import type { RunResult } from "../../src/model/result.js";
import { checkUserId } from "../../src/workspace/user-dir.js";

export const HOST = "127.0.0.1:8321";
export const TOKEN = "a-token-of-tests";

export interface Begun extends TakenRun {
  request: RunRequest;
  /** Aborted when the run is cancelled. */
  signal: AbortSignal | undefined;
  /** Writes its result down as a runtime does before its end is told. */
  keep?: () => void;
  end(result?: Partial<RunResult>): Promise<void>;
}

/** Takes every request; its runs end when a test says so, or when they are cancelled. */
export class FakeRuns implements RunTaker {
  readonly begun: Begun[] = [];
  readonly earlier = new Map<string, RunResult>();

  get last(): Begun {
    const run = this.begun.at(-1);
    if (run === undefined) throw new Error("no run was begun");
    return run;
  }

  take(request: RunRequest, { cancel, keep }: TakeOptions = {}): TakenRun {
    checkUserId(request.userId);
    if (request.profile !== undefined) throw new IsoError("unknown_profile", "no such profile", { field: "profile" });
    const runId = request.runId ?? "";
    const events = new EventBus();
    events.open(runId);
    let resolve = (_result: RunResult) => {};
    const promise = new Promise<RunResult>((done) => {
      resolve = done;
    });
    const run: Begun = {
      signal: cancel?.signal,
      ...(keep && { keep: () => keep(blankResult({ runId, userId: request.userId })) }),
      ...{ request, runId, userId: request.userId, turnId: runId, mode: "side-effects", scenario: null, events },
      asked: askedFor(request, new Redaction(new SecretNames(), request.env ?? {})),
      result: promise,
      end: async (result = {}) => {
        const whole: RunResult = {
          ...blankResult({ runId, userId: request.userId }),
          ...{ ok: true, status: "succeeded", paths: { workspace: "/secret/w", sandbox: "/secret/s" }, ...result },
        };
        events.emit({ type: "run.finished", result: whole });
        resolve(whole);
        await promise;
        await new Promise(setImmediate);
      },
    };
    cancel?.signal.addEventListener("abort", () => void run.end({ ok: false, status: "cancelled" }));
    this.begun.push(run);
    return run;
  }

  /** As a runtime does that is closed. */
  cancelAll(): void {
    for (const run of this.begun) if (!run.events.closed) void run.end({ ok: false, status: "cancelled" });
  }

  async resultOf(userId: string, runId: string): Promise<RunResult | null> {
    return this.earlier.get(`${userId} ${runId}`) ?? null;
  }
}

interface Asked {
  method?: string;
  user?: string;
  headers?: Record<string, string | null>;
  body?: unknown;
}

export function bed(
  options: {
    bounds?: Partial<RegistryBounds>;
    admission?: Admission;
    keys?: KeyRing;
    token?: string | null;
    storage?: StorageQuota;
    allowedHosts?: string[];
    heartbeatMs?: number;
    stallMs?: number;
    runtime?: Partial<Service["runtime"]>;
    history?: RunHistory;
  } = {},
) {
  const runs = new FakeRuns();
  const logged: string[] = [];
  const told: Entry[] = [];
  const figures = new RunFigures();
  const nothing = { workspacesOf: () => [], storedBytes: async () => ({ files: 0, versions: 0 }) };
  const storage = options.storage ?? new StorageQuota(nothing, { limitBytes: null, freeVersionBytes: 0 });
  const registry = new RunRegistry(runs, {
    storage,
    ...{ onFinished: (result) => figures.count(result), history: options.history ?? null },
    ...(options.bounds && { bounds: options.bounds }),
    ...(options.admission && { admission: options.admission }),
  });
  const streams = new EventStreams(options);
  const service: Service = {
    // A test gives what its routes need of it.
    runtime: (options.runtime ?? { hostState: async () => null }) as Service["runtime"],
    ...{
      runs: registry,
      history: options.history ?? null,
      streams,
      figures,
      version: "1.2.3",
      token: options.token === undefined ? TOKEN : options.token,
      keys: options.keys ?? { find: () => null },
      storage,
      hidden: ["/secret", ...(options.runtime?.workspaces?.roots ?? [])],
    },
    hosts: () => [HOST, "localhost:8321"],
    allowedHosts: () => options.allowedHosts ?? [],
    log: (line) => logged.push(line),
    tell: (entry) => told.push(entry),
  };
  const app = createApp(service);
  const ask = async (path: string, { method, user = "alice", headers = {}, body }: Asked = {}): Promise<Response> => {
    const given = { Host: HOST, Authorization: `Bearer ${TOKEN}`, ...headers };
    const kept = Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== null);
    const isText = typeof body === "string" || body instanceof Uint8Array;
    const address = user === "" ? path : `${path}${path.includes("?") ? "&" : "?"}user=${encodeURIComponent(user)}`;
    return await app.request(`http://${HOST}${address}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: [...kept, ...(body !== undefined && !("Content-Type" in headers) ? [JSON_TYPE] : [])],
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    });
  };
  return { app, ask, runs, registry, streams, logged, told, service };
}

const JSON_TYPE: [string, string] = ["Content-Type", "application/json"];
export const ASYNC = { Prefer: "respond-async" };

export const jsonOf = async (response: Response) => JSON.parse(await response.text());

export async function problemIn(response: Response): Promise<{ status: number; code: string; field?: string }> {
  const { status, headers } = response;
  const body = await jsonOf(response);
  if (headers.get("Content-Type") !== "application/problem+json")
    throw new Error(`no problem: ${JSON.stringify(body)}`);
  if (body.status !== status) throw new Error(`the problem says ${body.status}, the answer ${status}`);
  return body;
}
