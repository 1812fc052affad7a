// Routes over the runs that are kept: which there are, what was asked for, what users used.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import type { RunHistory } from "../harness/run-history.js";
import type { RunRegistry } from "../harness/run-registry.js";
import { IsoError } from "../model/errors.js";
import { addRoute } from "./route.js";
import { json, OfRun, OfUser, problems } from "./schemas/common.js";
import {
  ListQuery,
  RunList,
  RunRequestKept,
  type RunSummary,
  summaryOf,
  UsageAnswer,
  UsageQuery,
} from "./schemas/runs.js";
import type { Service } from "./service.js";

const TAG = "runs";
const MAX_DAYS = 400;
type Summary = z.infer<typeof RunSummary>;
type Query = z.output<typeof ListQuery>;

export function addHistoryRoutes(app: OpenAPIHono, service: Service): void {
  addList(app, service);
  addRequest(app, service);
  addUsage(app, service);
}

function addList(app: OpenAPIHono, { runs, history }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs", tag: TAG, takes: { query: ListQuery } },
      summary: "A user's runs, the newest first",
      answers: { 200: json("Runs of this user that are kept.", RunList), ...problems() },
    },
    async (context, { query }) => {
      const { limit } = query;
      const found = history === null ? remembered(runs, query) : await kept(history, runs, query);
      const page = found.slice(0, limit);
      return context.json({ runs: page, next: found.length > limit ? (page.at(-1)?.runId ?? null) : null });
    },
  );
}

/** One more than asked for, where there is one. */
function remembered(runs: RunRegistry, { user, before, limit, status, text, since, until }: Query): Summary[] {
  if (text !== undefined) {
    throw new IsoError("invalid_request", "text: this service keeps no runs to look into", { field: "text" });
  }
  const all = runs.list(user, { before, limit: Number.POSITIVE_INFINITY }).map(summaryOf);
  const [from, to] = [utc(since), utc(until)];
  return all
    .filter((run) => status?.includes(run.status) ?? true)
    .filter(({ acceptedAt }) => (from === undefined || acceptedAt >= from) && (to === undefined || acceptedAt < to))
    .slice(0, limit + 1);
}

async function kept(history: RunHistory, runs: RunRegistry, query: Query): Promise<Summary[]> {
  const { user, limit, status, text } = query;
  const given = { statuses: status, text, since: utc(query.since), until: utc(query.until), limit: limit + 1 };
  const found: Summary[] = [];
  for (let { before } = query; found.length <= limit; ) {
    const rows = await history.list(user, { ...given, before });
    for (const { status: ended, runId, userId, turnId, mode, scenario, acceptedAt, code, totalMs } of rows) {
      const known = ended === null ? runs.find(user, runId) : null;
      const shown = { runId, userId, turnId, mode, scenario, acceptedAt, code, totalMs };
      // Under way in another process: how far, it alone knows.
      const summary = known === null ? { ...shown, status: ended ?? ("running" as const) } : summaryOf(known);
      if (status?.includes(summary.status) ?? true) found.push(summary);
    }
    if (rows.length <= limit) break;
    before = rows.at(-1)?.runId;
  }
  return found;
}

/** Times are compared as texts, of which one instant has one. */
const utc = (time: string | undefined): string | undefined =>
  time === undefined ? undefined : new Date(time).toISOString();

function addRequest(app: OpenAPIHono, { history }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/runs/{runId}/request", tag: TAG, takes: { params: OfRun, query: OfUser } },
      summary: "What was asked for with a run, without its secrets",
      answers: { 200: json("The request.", RunRequestKept), ...problems(404) },
    },
    (context, { params: { runId }, query: { user } }) => {
      const record = history?.record(user, runId) ?? null;
      if (record === null) throw new IsoError("not_found", "There is no such run of this user.", { field: "runId" });
      const { userId, acceptedAt, request, cut } = record;
      return context.json({ runId, userId, acceptedAt, request, cut });
    },
  );
}

function addUsage(app: OpenAPIHono, { history }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/usage", tag: TAG, takes: { query: UsageQuery } },
      summary: "What a user's runs used, also those that are kept no more",
      answers: { 200: json("Sums, in all and by day.", UsageAnswer), ...problems(404) },
    },
    async (context, { query: { user, since, until } }) => {
      if (history === null) throw new IsoError("not_found", "This service keeps no runs, and counts none.");
      const { rows, storedBytes } = await history.usage(user, since ?? "0000", until ?? "9999");
      const byDay = new Map<string, Used>();
      const total = nothing();
      for (const row of rows) {
        const day = byDay.get(row.day) ?? nothing();
        byDay.set(row.day, day);
        for (const sum of [day, total]) add(sum, row);
      }
      const days = [...byDay].map(([day, used]) => ({ day, ...used })).sort((a, b) => (a.day < b.day ? 1 : -1));
      return context.json({
        ...{ userId: user, since: since ?? null, until: until ?? null },
        ...{ total, days: days.slice(0, MAX_DAYS), storedBytes },
      });
    },
  );
}

type Used = z.infer<typeof UsageAnswer>["total"];
type UsedRow = Awaited<ReturnType<RunHistory["usage"]>>["rows"][number];

const nothing = (): Used => ({
  ...{ runs: 0, byStatus: {}, seconds: 0, cpuSeconds: 0, cpuRuns: 0, outputBytes: 0, fileBytes: 0 },
});

function add(sum: Used, { status, runs, runMs, cpuMs, cpuRuns, outputBytes, fileBytes }: UsedRow): void {
  const ending = status as keyof Used["byStatus"];
  sum.byStatus[ending] = (sum.byStatus[ending] ?? 0) + runs;
  sum.runs += runs;
  sum.seconds += runMs / 1000;
  sum.cpuSeconds += cpuMs / 1000;
  sum.cpuRuns += cpuRuns;
  sum.outputBytes += outputBytes;
  sum.fileBytes += fileBytes;
}
