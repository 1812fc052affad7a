// The route of the service's figures.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "zod";
import { family, row } from "./figures.js";
import { addRoute } from "./route.js";
import { NoQuery } from "./schemas/catalogue.js";
import { problems } from "./schemas/common.js";
import type { Service } from "./service.js";

const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

export function addMetrics(app: OpenAPIHono, { runtime, runs, streams, figures }: Service): void {
  addRoute(
    app,
    {
      ...{ method: "get", path: "/metrics", tag: "operation", takes: { query: NoQuery } },
      summary: "Figures for Prometheus",
      answers: {
        200: { description: "Its text format.", content: { "text/plain": { schema: z.string() } } },
        ...problems(),
      },
    },
    async (context) => {
      const underWay = Object.entries(runs.counts()).map(([state, count]) => row("runs_under_way", count, { state }));
      const { atWork, queued, refused, tooOften, limits } = runs.admission.counts();
      const pool = (await runtime.hostState())?.pool ?? [];
      const waiting = pool.flatMap(({ backend, profile, ready, booting }) => [
        row("sandboxes_ahead", ready, { backend, profile, state: "ready" }),
        row("sandboxes_ahead", booting, { backend, profile, state: "booting" }),
      ]);
      const lines = [
        ...figures.lines(),
        ...family("places", "gauge", "Runs that may be at work at once, and that are.", [
          ...[row("places", limits.atOnce, { state: "all" }), row("places", atWork, { state: "taken" })],
        ]),
        ...family("queued_runs", "gauge", "Runs that wait for a place.", [row("queued_runs", queued)]),
        ...family("refused_runs_total", "counter", "Runs that were told to ask again later, by why.", [
          row("refused_runs_total", refused - tooOften, { why: "queue" }),
          row("refused_runs_total", tooOften, { why: "rate" }),
        ]),
        ...family("runs_under_way", "gauge", "Runs that have not ended, by how far they are.", underWay),
        ...family("sandboxes_ahead", "gauge", "Sandboxes that wait for a run, or are being booted for one.", waiting),
        ...family("event_readers", "gauge", "Readers that follow events.", [row("event_readers", streams.readers)]),
        ...family("memory_bytes", "gauge", "Memory of the service itself.", [
          row("memory_bytes", process.memoryUsage.rss()),
        ]),
      ];
      return context.body(`${lines.join("\n")}\n`, 200, { "Content-Type": TEXT_FORMAT });
    },
  );
}
