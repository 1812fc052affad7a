// Whether the service lives and takes runs, for whoever watches over it. Tells nothing else, and needs no token.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "zod";
import { addRoute } from "./route.js";
import { json, problems } from "./schemas/common.js";
import type { Service } from "./service.js";

const Health = z.object({ ok: z.boolean() }).meta({ id: "Health" });
export const HEALTH_PATHS = ["/healthz", "/readyz"];

export function addHealthRoutes(app: OpenAPIHono, { runs }: Service): void {
  const route = { method: "get", tag: "operation", takes: {}, open: true } as const;
  addRoute(
    app,
    {
      ...{ ...route, path: "/healthz", summary: "Whether the service lives" },
      answers: { 200: json("It does.", Health), ...problems() },
    },
    (context) => context.json({ ok: true }),
  );
  addRoute(
    app,
    {
      ...{ ...route, path: "/readyz", summary: "Whether it takes runs" },
      answers: { 200: json("It does.", Health), ...problems(), 503: json("It is stopping.", Health) },
    },
    (context) => context.json({ ok: !runs.closed }, runs.closed ? 503 : 200),
  );
}
