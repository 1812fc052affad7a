// How the service and its host are doing: what the page's status view draws, and anybody's own watch may ask for.
import { availableParallelism, freemem, loadavg, totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { addRoute } from "./route.js";
import { NoQuery } from "./schemas/catalogue.js";
import { json, problems } from "./schemas/common.js";
import { Status } from "./schemas/status.js";
import type { Service } from "./service.js";

const NANOSECONDS_PER_MS = 1e6;
const MICROSECONDS_PER_MS = 1e3;
const RESOLUTION_MS = 20;
/** The delay is that of the time since somebody asked, and of no less. */
const LOOKED_BACK_MS = 5_000;

export function addStatus(app: OpenAPIHono, { runtime, runs, streams, figures, version }: Service): void {
  const delay = loopDelay();
  addRoute(
    app,
    {
      ...{ method: "get", path: "/v1/status", tag: "operation", takes: { query: NoQuery }, everybody: true },
      summary: "How the service and its host are doing",
      answers: { 200: json("Figures of now; none of them names a user.", Status), ...problems() },
    },
    async (context) => {
      const state = await runtime.hostState();
      const { user, system } = process.cpuUsage();
      const { atWork, queued, refused, limits } = runs.admission.counts();
      return context.json({
        ...{ version, node: process.versions.node },
        ...{ uptimeMs: Math.round(process.uptime() * 1000), stopping: runs.closed },
        runs: { ...runs.counts(), ...figures.totals() },
        places: { all: limits.atOnce, ofEachUser: limits.perUser, taken: atWork, queued, refused },
        readers: streams.readers,
        backend: state?.chosen ?? null,
        pool: state?.pool ?? [],
        host: {
          ...{ processors: availableParallelism(), load: loadavg(), memoryBytes: totalmem(), freeBytes: freemem() },
          ...{ cpuMs: (user + system) / MICROSECONDS_PER_MS, rssBytes: process.memoryUsage.rss() },
          loopDelayMs: delay(),
        },
      });
    },
  );
}

/** Measured from the first question on: a service that nobody watches pays nothing for it. */
function loopDelay(): () => number {
  let histogram: ReturnType<typeof monitorEventLoopDelay> | null = null;
  let since = 0;
  let before = 0;
  return () => {
    const now = performance.now();
    if (histogram === null) {
      histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      histogram.enable();
      since = now;
      return 0;
    }
    const late = histogram.percentile(99) / NANOSECONDS_PER_MS - RESOLUTION_MS;
    before = Number.isFinite(late) ? Math.max(0, Math.round(late * 100) / 100) : before;
    if (now - since > LOOKED_BACK_MS) {
      histogram.reset();
      since = now;
    }
    return before;
  };
}
