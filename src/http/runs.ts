// Routes of runs: start, look, list, cancel, follow. A user's runs are nobody else's: others get the answer of a run that there is not.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { z } from "zod";
import type { AskedRun } from "../harness/past-run.js";
import type { RunRequest } from "../harness/request.js";
import type { RunHistory } from "../harness/run-history.js";
import type { KeptRun, RunRegistry } from "../harness/run-registry.js";
import { IsoError } from "../model/errors.js";
import { MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { shownResult, shownText } from "../model/result-text.js";
import { jsonAnswer } from "./answer.js";
import { Counts } from "./counts.js";
import { faultOf, problem } from "./problem.js";
import { note } from "./record.js";
import { addRoute } from "./route.js";
import { header, json, OfRun, OfUser, problems } from "./schemas/common.js";
import { ResultSchema } from "./schemas/result.js";
import {
  EventHeaders,
  RunBody,
  RunHeaders,
  RunOrResult,
  RunQuery,
  RunUnderWay,
  SentEvent,
  underWay,
} from "./schemas/runs.js";
import { OfFile, OfWorkspace } from "./schemas/workspace.js";
import { FILE_ANSWERS, FileHeaders, sendFile } from "./send-file.js";
import type { Service } from "./service.js";
import { inTraceOf } from "./trace-parent.js";

/** A snippet and its input of 4 MiB each, and what JSON makes of them. */
const MAX_BODY_BYTES = 16 * MiB;
const TAG = "runs";
const EVENT_STREAM = { "Content-Type": "text/event-stream; charset=utf-8" };

export function addRunRoutes(app: OpenAPIHono, service: Service): void {
  addStart(app, service);
  addLook(app, service);
  addCancel(app, service);
  addEvents(app, service);
  addFiles(app, service);
}

function addStart(app: OpenAPIHono, { runs, log, hidden }: Service): void {
  const takes = { query: RunQuery, headers: RunHeaders, body: RunBody };
  const location = { Location: header("Where the run is looked at.") };
  const { atOnce, perUser, queued, queuedPerUser } = runs.admission.limits;
  // As many as may wait for runs of their own: more wait again and again for the same one, by its key.
  const waiters = new Counts<string>({ all: atOnce + queued, each: perUser + queuedPerUser });
  addRoute(
    app,
    {
      ...{ method: "post", path: "/v1/runs", tag: TAG, takes, maxBytes: MAX_BODY_BYTES },
      summary: "Run a snippet or scenario; answers when it has ended, or at once where that is preferred",
      answers: {
        200: json("The run has ended, well or not.", ResultSchema, location),
        202: json("The run was taken.", RunUnderWay, location),
        ...problems(404, 409, 413, 415, 422, 429, 503),
      },
    },
    (context, { query, headers, body, text }) => {
      const key = headers["idempotency-key"];
      const again = key === undefined ? null : { key, body: text };
      const request = requestOf(body, query.user);
      const isAsync = /(^|[,\s])respond-async\s*([,;]|$)/i.test(headers.prefer ?? "");
      const place = isAsync ? null : waiters.take(request.userId, "As many callers wait for runs as there may be.");
      try {
        const run = inTraceOf(context, () => runs.start(request, again, { waits: !isAsync, isShaped: true }));
        note(context, { user: run.userId, runId: run.runId });
        const at = { Location: `/v1/runs/${run.runId}?user=${encodeURIComponent(run.userId)}` };
        if (isAsync && run.result === null) {
          return context.json(underWay(run), 202, { ...at, "Preference-Applied": "respond-async" });
        }
        // By itself: what waits holds no body, of which many may have come for the same run.
        return answerOf(context, run, at, place);
      } catch (error) {
        place?.[Symbol.dispose]();
        throw error;
      }
    },
  );

  async function answerOf(
    context: Context,
    run: AskedRun,
    at: { Location: string },
    place: Disposable | null,
  ): Promise<Response> {
    using _ = place;
    const result = await run.ended;
    const fault = faultOf(result);
    if (fault !== null) note(context, { code: fault.code });
    if (fault !== null) return problem(fault, { headers: at, runId: run.runId, log, hidden });
    return jsonAnswer(shownText(result), 200, at);
  }
}

/** Checked as the library's own by the runtime; `contract` has a parser of its own there. */
function requestOf(body: z.output<typeof RunBody>, user: string | undefined): RunRequest {
  if (user !== undefined && body.userId !== undefined && user !== body.userId) {
    throw new IsoError("invalid_request", "userId: the body names another user than the address", { field: "userId" });
  }
  const userId = body.userId ?? user;
  if (userId === undefined) {
    throw new IsoError("invalid_user_id", "userId: is missing: name the user whose run it is", { field: "userId" });
  }
  return { ...body, userId } as RunRequest;
}

function addLook(app: OpenAPIHono, { runs, history }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs/{runId}", tag: TAG, takes: { params: OfRun, query: OfUser } },
      summary: "A run: its result, or how far it is",
      answers: { 200: json("The result document, or a run under way.", RunOrResult), ...problems(404) },
    },
    async (context, { params: { runId }, query: { user } }) => {
      const other = runs.find(user, runId) === null ? await history?.elsewhere(user, runId) : null;
      // How far it is, its own process knows.
      if (other) return context.json(underWay({ ...other, state: "running" }));
      const result = await resultOf(runs, user, runId);
      return context.json(result === null ? underWay(runs.get(user, runId)) : shownResult(result));
    },
  );
}

function addCancel(app: OpenAPIHono, { runs, history }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "post", path: "/v1/runs/{runId}/cancel", tag: TAG, takes: { params: OfRun, query: OfUser } },
      summary: "Ask a run to end; what it wrote is kept",
      answers: {
        202: json("It was asked to; its events and its result tell when it has ended.", RunUnderWay),
        200: json("It had ended already: its result, as it was.", ResultSchema),
        ...problems(404, 409),
      },
    },
    async (context, { params: { runId }, query: { user } }) => {
      const earlier = runs.find(user, runId) === null ? await runs.earlier(user, runId) : null;
      if (earlier !== null) return context.json(shownResult(earlier));
      await refuseElsewhere(runs, history, user, runId);
      const run: KeptRun = runs.cancel(user, runId);
      return run.result === null ? context.json(underWay(run), 202) : context.json(shownResult(run.result));
    },
  );
}

function addEvents(app: OpenAPIHono, { runs, streams, history }: Service): void {
  const takes = { params: OfRun, query: OfUser, headers: EventHeaders };
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs/{runId}/events", tag: TAG, takes },
      summary: "A run's events as they come, the past ones first; each has its number as id",
      answers: {
        200: {
          description: "Server-sent events; the last is run.finished.",
          content: { "text/event-stream": { schema: SentEvent } },
        },
        204: { description: "The run has ended, and the event that was read was its last." },
        ...problems(404, 409, 429),
      },
    },
    async (context, { params: { runId }, query: { user }, headers }) => {
      const run = runs.find(user, runId);
      const past = run === null ? await history?.events(user, runId) : null;
      if (!past) await refuseElsewhere(runs, history, user, runId);
      const events = past ?? runs.get(user, runId).events;
      const after = Number(headers["last-event-id"] ?? 0);
      // A browser that asks again after the end is told by this to ask no more.
      const lastId = past?.lastId ?? (run?.events.closed ? run.events.lastSeq : Number.POSITIVE_INFINITY);
      if (after >= lastId) return context.body(null, 204);
      if (context.req.method === "HEAD") return context.body(null, 200, EVENT_STREAM);
      return context.body(streams.open({ user, runId }, events, after), 200, EVENT_STREAM);
    },
  );
}

function addFiles(app: OpenAPIHono, { runs, runtime, history }: Service): void {
  const takes = { params: OfRun.extend(OfFile.shape), query: OfWorkspace, headers: FileHeaders };
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs/{runId}/files/{path}{.+}", tag: TAG, takes },
      summary: "A file as the run left it, for as long as the version that it made is kept",
      answers: { ...FILE_ANSWERS, ...problems(404, 409, 416) },
    },
    async (context, { params: { runId, path }, query: { user, workspace }, headers }) => {
      await refuseElsewhere(runs, history, user, runId);
      const result = await resultOf(runs, user, runId);
      if (result === null) throw new IsoError("conflict", "The run has not ended yet.", { field: "runId" });
      const { version } = result.workspace;
      if (version === null)
        throw new IsoError("not_found", "The run made no version: it changed no file, or kept none.");
      const file = await runtime.workspaces.openFileOf({ userId: user, workspace }, version, path);
      return sendFile(context, file, path, headers);
    },
  );
}

/** Throws `conflict` for a run that another process of these roots is at. */
async function refuseElsewhere(
  runs: RunRegistry,
  history: RunHistory | null,
  user: string,
  runId: string,
): Promise<void> {
  if (runs.find(user, runId) !== null || !(await history?.elsewhere(user, runId))) return;
  throw new IsoError("conflict", "The run is under way in another process.", {
    field: "runId",
    hint: "Ask the service that took it, or ask here again when it has ended.",
  });
}

/** Null for a run under way. Throws `not_found` for one that this user never had. */
async function resultOf(runs: RunRegistry, user: string, runId: string): Promise<RunResult | null> {
  const run = runs.find(user, runId);
  return run === null ? ((await runs.earlier(user, runId)) ?? runs.get(user, runId).result) : run.result;
}
