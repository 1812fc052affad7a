// The page of the API: Swagger UI over /openapi.json, from files of the package. It loads nothing from elsewhere.
import { existsSync, readFileSync } from "node:fs";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { packageFile } from "../model/package-files.js";
import { DESCRIPTION_PATH } from "./openapi.js";

const STYLE = "/docs/swagger-ui.css";
const SCRIPT = "/docs/swagger-ui-bundle.js";
const START = "/docs/start.js";
export const DOCS_PATHS = ["/docs", STYLE, SCRIPT, START];
/** Where a package has the page's files, and where a checkout. */
const PLACES = ["dist/api-docs", "node_modules/swagger-ui-dist"];

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>iso-runtime: the HTTP API</title>
<link rel="stylesheet" href="${STYLE}">
</head>
<body>
<main id="api"></main>
<script src="${SCRIPT}"></script>
<script src="${START}"></script>
</body>
</html>
`;
const STARTS = `SwaggerUIBundle({ url: "${DESCRIPTION_PATH}", dom_id: "#api", deepLinking: true, validatorUrl: null });\n`;

/** Scripts of its own alone; Swagger UI sets styles from its script. */
const POLICY = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:"],
  ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join("; ");

export function addDocs(app: OpenAPIHono): void {
  const give = (path: string, type: string, content: () => string) => {
    app.get(path, (context) => {
      const headers = { "Content-Type": `${type}; charset=utf-8`, "Content-Security-Policy": POLICY };
      return context.body(content(), 200, headers);
    });
  };
  give("/docs", "text/html", () => PAGE);
  give(START, "text/javascript", () => STARTS);
  give(STYLE, "text/css", remembered("swagger-ui.css"));
  give(SCRIPT, "text/javascript", remembered("swagger-ui-bundle.js"));
}

/** Read when it is first asked for. */
function remembered(name: string): () => string {
  let text: string | null = null;
  return () => {
    const [packed = "", source = ""] = PLACES.map((place) => packageFile(`${place}/${name}`));
    text ??= readFileSync(existsSync(packed) ? packed : source, "utf8");
    return text;
  };
}
