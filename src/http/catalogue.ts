// Routes of what runs may be asked with: scenarios, tools, profiles. All of it is the operator's, and the same for every user.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { addRoute } from "./route.js";
import { NoQuery, ProfileList, ScenarioList, ToolList } from "./schemas/catalogue.js";
import { json, problems } from "./schemas/common.js";
import type { Service } from "./service.js";

export function addCatalogueRoutes(app: OpenAPIHono, { runtime }: Service): void {
  const route = { method: "get", tag: "catalogue", takes: { query: NoQuery }, everybody: true } as const;
  addRoute(
    app,
    {
      ...{ ...route, path: "/v1/scenarios", summary: "The bundle's scenarios" },
      answers: { 200: json("What `scenario` may choose from.", ScenarioList), ...problems() },
    },
    (context) => {
      const scenarios = runtime.bundle?.scenarios ?? [];
      return context.json({
        scenarios: scenarios.map(({ id, label, mode, timeoutMs, profile, code }) => ({
          ...{ id, label, mode, timeoutMs, profile: profile ?? null, code },
        })),
      });
    },
  );
  addRoute(
    app,
    {
      ...{ ...route, path: "/v1/tools", summary: "The host tools that snippets may call" },
      answers: { 200: json("Each with its parameters, in their order.", ToolList), ...problems() },
    },
    (context) => context.json({ tools: runtime.tools.describe() }),
  );
  addRoute(
    app,
    {
      ...{ ...route, path: "/v1/profiles", summary: "The profiles that runs may have" },
      answers: { 200: json("Each with its limits, in the units of a result.", ProfileList), ...problems() },
    },
    (context) => {
      const { profiles, defaultProfile } = runtime.settings;
      // Interpreters and variables are the host's own business.
      const shown = [...profiles.values()].map(({ name, backend, network, limits, cwd, packages, require }) => ({
        ...{ name, backend, network, limits, cwd, packages, require },
      }));
      return context.json({ default: defaultProfile, profiles: shown });
    },
  );
}
