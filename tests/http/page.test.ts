// The page as it is sent: what a browser may do with it, and what it gets without a token.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { OpenAPIHono } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { addPage, pagePaths } from "../../src/http/page.js";
import { tempDir } from "../support/temp.js";

function built() {
  const folder = tempDir();
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), '<meta name="style-nonce" content="__NONCE__"><p>here</p>');
  writeFileSync(join(folder, "assets/main-abc123.js"), "export {};\n");
  writeFileSync(join(folder, "assets/main-abc123.css"), "body{}\n");
  const app = new OpenAPIHono();
  addPage(app, folder);
  return { folder, ask: async (path: string, headers = {}) => await app.request(path, { headers }) };
}

describe("the page", () => {
  it("runs no script but its own, is framed by nobody, and has another word for its styles each time", async () => {
    const { ask } = built();
    const nonces = [];
    for (const _ of [1, 2]) {
      const response = await ask("/");
      const policy = response.headers.get("Content-Security-Policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toContain("unsafe");
      const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? "";
      expect(Buffer.from(nonce, "base64")).toHaveLength(16);
      expect(await response.text()).toBe(`<meta name="style-nonce" content="${nonce}"><p>here</p>`);
      nonces.push(nonce);
    }
    expect(new Set(nonces).size).toBe(2);
  });

  it("sends what it loads with its type, packed where that is understood, and for ever", async () => {
    const { ask } = built();
    for (const [path, type, text] of [
      ["/assets/main-abc123.js", "text/javascript; charset=utf-8", "export {};\n"],
      ["/assets/main-abc123.css", "text/css; charset=utf-8", "body{}\n"],
    ] as const) {
      const plain = await ask(path);
      expect(plain.headers.get("Content-Type")).toBe(type);
      expect(plain.headers.get("Cache-Control")).toContain("immutable");
      expect(await plain.text()).toBe(text);
      const packed = await ask(path, { "Accept-Encoding": "br, gzip" });
      expect(packed.headers.get("Content-Encoding")).toBe("gzip");
      expect(gunzipSync(Buffer.from(await packed.arrayBuffer())).toString()).toBe(text);
      expect((await ask(path, { "Accept-Encoding": "gzip;q=0" })).headers.get("Content-Encoding")).toBeNull();
    }
  });

  it("is exactly what was built: no other file, and nothing where it was not", async () => {
    const { folder, ask } = built();
    expect(pagePaths(folder).sort()).toEqual(["/", "/assets/main-abc123.css", "/assets/main-abc123.js"]);
    for (const path of ["/index.html", "/assets/", "/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/x"]) {
      expect((await ask(path)).status, path).toBe(404);
    }
    expect(pagePaths(join(folder, "nothing"))).toEqual([]);
  });
});
