// Who may ask: whoever has the token, at the service's own address, from no other page.
import { describe, expect, it } from "vitest";
import { bed, HOST, problemIn, TOKEN } from "./bed.js";

const PATHS = ["/metrics", "/v1/tools", "/v1/runs", "/v1/runs/0193a2c0-8f4e-7c31-b5a2-3f1de2c4a901", "/nowhere"];

describe("the token", () => {
  it.each<[string, string | null]>([
    ["none", null],
    ["another one", "Bearer another"],
    ["a part of it", `Bearer ${TOKEN.slice(0, -1)}`],
    ["more than it", `Bearer ${TOKEN}x`],
    ["two", `Bearer ${TOKEN} ${TOKEN}`],
    ["it without its scheme", TOKEN],
    ["another scheme", `Basic ${TOKEN}`],
    ["an empty one", "Bearer "],
  ])("is needed: %s does not do", async (_name, authorization) => {
    const { ask, runs } = bed();
    for (const path of PATHS) {
      const response = await ask(path, { headers: { Authorization: authorization } });
      expect(response.headers.get("WWW-Authenticate")).toBe("Bearer");
      expect(await problemIn(response)).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const start = await ask("/v1/runs", { body: { code: "" }, headers: { Authorization: authorization } });
    expect(start.status).toBe(401);
    expect(runs.begun).toEqual([]);
  });

  it("is not looked for in the address", async () => {
    const { ask } = bed();
    expect((await ask(`/v1/runs?token=${TOKEN}`, { headers: { Authorization: null } })).status).toBe(401);
  });

  it("is taken in any spelling of its scheme", async () => {
    expect((await bed().ask("/v1/runs", { headers: { Authorization: `bearer ${TOKEN}` } })).status).toBe(200);
  });

  it.each(["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/start.js"])("is not needed for %s", async (path) => {
    expect((await bed().ask(path, { user: "", headers: { Authorization: null } })).status).toBe(200);
  });
});

describe("an address that is not the service's", () => {
  it.each<[string, string | null]>([
    ["a name that was made to point here", "attacker.example:8321"],
    ["another port", "127.0.0.1:8322"],
    ["no port", "127.0.0.1"],
    ["a longer name", `${HOST}.attacker.example`],
    ["none", null],
  ])("is refused, even with the token: %s", async (_name, host) => {
    const { ask, runs } = bed();
    for (const path of ["/v1/runs", "/healthz", "/openapi.json"]) {
      expect(await problemIn(await ask(path, { user: "", headers: { Host: host } }))).toMatchObject({
        ...{ status: 403, code: "forbidden", field: "Host" },
      });
    }
    expect((await ask("/v1/runs", { body: { code: "" }, headers: { Host: host } })).status).toBe(403);
    expect(runs.begun).toEqual([]);
  });

  it.each(["localhost:8321", "LOCALHOST:8321"])("is not %s", async (host) => {
    expect((await bed().ask("/v1/runs", { headers: { Host: host } })).status).toBe(200);
  });
});

describe("a page of another origin", () => {
  it.each<[string, Record<string, string>]>([
    ["another host", { Origin: "http://attacker.example" }],
    ["another port of this host", { Origin: "http://127.0.0.1:3000" }],
    ["another scheme", { Origin: `https://${HOST}` }],
    ["an opaque one", { Origin: "null" }],
    ["one that leaves Origin out", { "Sec-Fetch-Site": "cross-site" }],
    ["one of the same site", { "Sec-Fetch-Site": "same-site" }],
  ])("is refused, even with the token: %s", async (_name, headers) => {
    const { ask, runs } = bed();
    const response = await ask("/v1/runs", { body: { code: "" }, headers });
    expect(response.headers.get("Access-Control-Allow-Origin")).toBeNull();
    expect(await problemIn(response)).toMatchObject({ status: 403, code: "forbidden", field: "Origin" });
    expect((await ask("/v1/runs", { headers })).status).toBe(403);
    expect(runs.begun).toEqual([]);
  });

  it("is asked for nothing before: there is no cross-origin allowance at all", async () => {
    const response = await bed().ask("/v1/runs", {
      method: "OPTIONS",
      headers: { Origin: "http://attacker.example", "Access-Control-Request-Method": "POST", Authorization: null },
    });
    expect(response.status).toBe(403);
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("is not a page of this service", async () => {
    const headers = { Origin: `http://${HOST}`, "Sec-Fetch-Site": "same-origin" };
    expect((await bed().ask("/v1/runs", { headers })).status).toBe(200);
  });
});

describe("every answer", () => {
  it.each(["/v1/runs", "/nowhere", "/healthz"])(
    "tells a browser to keep, sniff, frame and run nothing: %s",
    async (path) => {
      for (const headers of [{}, { Authorization: null }, { Host: "other" }]) {
        const response = await bed().ask(path, { headers });
        const head = Object.fromEntries(response.headers);
        expect(head).toMatchObject({
          ...{ "x-content-type-options": "nosniff", "cache-control": "no-store", "x-frame-options": "DENY" },
          "content-security-policy": expect.stringContaining("default-src 'none'"),
        });
      }
    },
  );

  it("to a fault of ours says nothing of the host, and the log all of it", async () => {
    const it = bed();
    it.runs.resultOf = async () => {
      throw new Error("EACCES: /secret/place");
    };
    const response = await it.ask(PATHS.at(-2) ?? "");
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 500, code: "internal" });
    expect(JSON.stringify(problem)).not.toContain("/secret");
    expect(it.logged.join("")).toContain("/secret/place");
  });
});
