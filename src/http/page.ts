// The page at `/`: files of the package, which tell nothing of any user and need no token. It loads nothing from elsewhere, and runs no
// script but its own.
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { packageFile } from "../model/package-files.js";

const PAGE_FOLDER = packageFile("dist/page");
const TYPES: Record<string, string> = {
  ...{ js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" },
};
/** Names have a hash of what is in them. */
const FOR_EVER = "public, max-age=31536000, immutable";
/** In the page's text, where the word of this one answer comes. */
const NONCE = "__NONCE__";

/**
 * The editor writes its own style sheet, which gets in by a word that is another one at each answer. Pictures of a user's files come
 * as blobs that the page made.
 */
const policy = (nonce: string): string =>
  [
    ...["default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' blob:"],
    ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
    "require-trusted-types-for 'script'; trusted-types 'none'",
  ].join("; ");

/** Addresses of the page and of what it loads; none where it was not built. */
export function pagePaths(folder = PAGE_FOLDER): string[] {
  if (!existsSync(join(folder, "index.html"))) return [];
  return ["/", ...readdirSync(join(folder, "assets")).map((name) => `/assets/${name}`)];
}

/** All is read at once: a package that is replaced meanwhile has other files, which do not fit together with these. */
export function addPage(app: OpenAPIHono, folder = PAGE_FOLDER): void {
  for (const path of pagePaths(folder)) {
    if (path === "/") addHtml(app, join(folder, "index.html"));
    else addAsset(app, path, join(folder, path));
  }
}

function addHtml(app: OpenAPIHono, file: string): void {
  const html = readFileSync(file, "utf8");
  app.get("/", (context) => {
    const nonce = randomBytes(16).toString("base64");
    return context.body(html.replaceAll(NONCE, nonce), 200, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": policy(nonce),
      "Cross-Origin-Opener-Policy": "same-origin",
    });
  });
}

function addAsset(app: OpenAPIHono, path: string, file: string): void {
  const plain = readFileSync(file);
  const packed = once(() => gzipSync(plain, { level: 9 }));
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  app.get(path, (context) => {
    const isPacked = /(^|[,\s])gzip\s*(,|;\s*q=(?!0(\.0*)?\s*(,|$))|$)/i.test(
      context.req.header("Accept-Encoding") ?? "",
    );
    return context.body(new Uint8Array(isPacked ? packed() : plain), 200, {
      ...{ "Content-Type": type, "Cache-Control": FOR_EVER, Vary: "Accept-Encoding" },
      ...(isPacked && { "Content-Encoding": "gzip" }),
    });
  });
}

/** Made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
