// The description of the API, made of the routes' own schemas.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { TOKEN_SCHEME } from "./route.js";
import type { Service } from "./service.js";

export const DESCRIPTION_PATH = "/openapi.json";

const TAGS = [
  { name: "runs", description: "Start a run, wait for it, follow it, end it." },
  { name: "workspace", description: "A user's files, and their versions." },
  { name: "catalogue", description: "What runs may be asked with." },
  { name: "operation", description: "For whoever looks after the service." },
];

export function addDescription(app: OpenAPIHono, { version }: Service): void {
  app.openAPIRegistry.registerComponent("securitySchemes", TOKEN_SCHEME, {
    ...{
      type: "http",
      scheme: "bearer",
      description: "A key of `iso-runtime keys create`, or the token that the service prints when it starts.",
    },
  });
  let document: object | null = null;
  app.get(DESCRIPTION_PATH, (context) => {
    document ??= app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "iso-runtime",
        version,
        description: "Run code that a model wrote, safely, and know exactly what happened.",
        license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
      },
      servers: [{ url: "/" }],
      tags: TAGS,
    });
    return context.json(document);
  });
}
