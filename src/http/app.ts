// The HTTP API as a whole: the order in which a request is met, and the list of its routes.
import { OpenAPIHono } from "@hono/zod-openapi";
import { toIsoError } from "../model/errors.js";
import { addCatalogueRoutes } from "./catalogue.js";
import { addDocs, DOCS_PATHS } from "./docs.js";
import { answerHeaders, guard } from "./guard.js";
import { addHealthRoutes, HEALTH_PATHS } from "./health.js";
import { addHistoryRoutes } from "./history.js";
import { addMetrics } from "./metrics.js";
import { addDescription, DESCRIPTION_PATH } from "./openapi.js";
import { addPage, pagePaths } from "./page.js";
import { addPastFiles } from "./past-files.js";
import { noRoute, problem } from "./problem.js";
import { addReceipt } from "./receipt.js";
import { note, requestLog } from "./record.js";
import { addRunRoutes } from "./runs.js";
import type { Service } from "./service.js";
import { cutOffStalled } from "./stalled.js";
import { addStatus } from "./status.js";
import { addWorkspaceRoutes } from "./workspace.js";
import { addZip } from "./zip.js";

const ROUTES = [
  ...[addRunRoutes, addHistoryRoutes, addWorkspaceRoutes, addZip, addCatalogueRoutes],
  ...[addHealthRoutes, addMetrics, addDescription, addDocs],
  ...[addStatus, addReceipt, addPastFiles],
];
/** What tells nothing of this host or its users. */
const OPEN = [...HEALTH_PATHS, ...DOCS_PATHS, DESCRIPTION_PATH];

export function createApp(service: Service): OpenAPIHono {
  const app = new OpenAPIHono();
  app.use(requestLog(service.tell));
  app.use(answerHeaders);
  app.use(cutOffStalled(service.streams.stallMs));
  const { token, keys } = service;
  app.use(
    guard({
      ...{ hosts: () => service.hosts(), allowedHosts: () => service.allowedHosts() },
      ...{ credentials: { token, keys }, open: [...OPEN, ...pagePaths()] },
    }),
  );
  for (const add of ROUTES) add(app, service);
  addPage(app);
  app.notFound((context) => noRoute(context, methodsOf(app, context.req.path)));
  const { log, hidden } = service;
  app.onError((error, context) => {
    note(context, { code: toIsoError(error).code });
    return problem(error, { log, hidden });
  });
  return app;
}

/** The methods that some route has for this path. */
function methodsOf(app: OpenAPIHono, path: string): string[] {
  const fitting = app.routes.filter(({ method, path: pattern }) => method !== "ALL" && matches(pattern, path));
  return [...new Set(fitting.map(({ method }) => method))];
}

function matches(pattern: string, path: string): boolean {
  const parts = pattern
    .split("/")
    .map((part) => (part.startsWith(":") ? (part.endsWith("}") ? "[\\s\\S]+" : "[^/]+") : part));
  return new RegExp(`^${parts.join("/")}$`).test(path);
}
