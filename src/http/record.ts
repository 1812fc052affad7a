// What the service tells its operator of each request and each run: who, what, how it ended and how long it took. Never a token, a body,
// a path of a file or a value of the query but for the user's name.
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { RunResult } from "../model/result.js";
import { describedPath } from "./route.js";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

export interface Entry {
  level: Level;
  event: "request" | "run" | "service";
  fields: Record<string, string | number | boolean | null | undefined>;
}
export type Tell = (entry: Entry) => void;

/** What a route knows of its request that no address tells. */
interface Note {
  user?: string;
  /** Which of the keys, by its name. */
  key?: string;
  runId?: string;
  code?: string;
}

const NOTE = "iso-runtime.note";
/** Asked for again and again by machines. */
const QUIET = new Set(["/healthz", "/readyz", "/metrics"]);
const MAX_CHARS = 256;

/** Goes with the line of this request. */
export function note(context: Context, noted: Note): void {
  context.set(NOTE, { ...(context.get(NOTE) as Note | undefined), ...noted });
}

/** A line for each request, when its answer begins, which it keeps waiting no moment: what an answer streams comes after it. */
export function requestLog(tell: Tell): MiddlewareHandler<{ Bindings: Partial<HttpBindings> }> {
  return async (context, next) => {
    const startedAt = performance.now();
    await next();
    const { status } = context.res;
    const ms = twoDecimals(performance.now() - startedAt);
    const line = () => tell(requestEntry(context, status, ms));
    if (context.env?.outgoing) setImmediate(line);
    else line();
  };
}

function requestEntry(context: Context, status: number, ms: number): Entry {
  const route = routeOf(context);
  const noted = context.get(NOTE) as Note | undefined;
  return {
    level: status >= 500 ? "error" : QUIET.has(route) && status < 400 ? "debug" : "info",
    event: "request",
    fields: {
      ...{ method: context.req.method, route, status, ms },
      ...{
        user: (noted?.user ?? context.req.query("user"))?.slice(0, MAX_CHARS),
        code: noted?.code,
        key: noted?.key,
      },
      runId: noted?.runId ?? context.req.param("runId")?.slice(0, MAX_CHARS),
    },
  };
}

/** As it is described, and not as it was asked for: `/v1/runs/{runId}`. */
function routeOf(context: Context): string {
  const route = matchedRoutes(context).findLast(({ method }) => method !== "ALL");
  return route === undefined ? "(none)" : describedPath(route.path);
}

export function runEntry({ runId, userId, status, error, timings, sandbox }: RunResult): Entry {
  const ours = error?.code === "internal" || error?.code === "sandbox_unavailable";
  return {
    level: ours ? "error" : "info",
    event: "run",
    fields: {
      ...{ runId, user: userId, status, code: error?.code },
      ...{ backend: sandbox?.backend, profile: sandbox?.profile, warm: sandbox?.warm },
      ...timings,
    },
  };
}

const twoDecimals = (ms: number) => Math.round(ms * 100) / 100;
