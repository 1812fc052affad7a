// Who is who: each key acts for its own user alone, on every route that there is, and on those that are added later.
import { describe, expect, it } from "vitest";
import type { ApiKey } from "../../src/harness/api-keys.js";
import { ApiKeys, type KeyWish } from "../../src/records/api-keys.js";
import { tempDir } from "../support/temp.js";
import { ASYNC, bed, jsonOf, problemIn, TOKEN } from "./bed.js";

const NOBODYS = "0193a2c0-8f4e-7c31-b5a2-3f1de2c4a901";
/** What a key of one user may ask although it names no user: what is told is the same for all. */
const FOR_EVERYBODY = ["GET /v1/scenarios", "GET /v1/tools", "GET /v1/profiles", "GET /v1/status"];

function withKeys(options: Parameters<typeof bed>[0] = {}) {
  const keys = new ApiKeys(tempDir());
  const bundle = { scenarios: [] };
  const tools = { describe: () => [] };
  const settings = { profiles: new Map(), defaultProfile: "default" };
  // What the routes without a user ask of a runtime.
  const none = async () => null;
  const runtime = { bundle, tools, settings, hostState: none, receiptOf: none } as never;
  const it = bed({ keys, runtime, ...options });
  const make = (wish: Partial<KeyWish>) =>
    keys.create({ user: null, readOnly: false, label: "", expiresAt: null, ...wish });
  const as = (key: string) => ({ Authorization: `Bearer ${key}` });
  return { ...it, keys, make, as };
}

interface Described {
  method: string;
  path: string;
  takesUser: boolean;
  isOpen: boolean;
  hasBody: boolean;
}

/** Every route as the description has it, which is made of what is served. */
async function routesOf({ ask }: ReturnType<typeof withKeys>): Promise<Described[]> {
  const { paths } = await jsonOf(await ask("/openapi.json", { user: "" }));
  return Object.entries<Record<string, { parameters?: { name: string }[]; security: object[]; requestBody?: object }>>(
    paths,
  ).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], security, requestBody }]) => ({
      method: method.toUpperCase(),
      path: path
        .replace("{runId}", NOBODYS)
        .replace("{path}", "a.txt")
        .replace(/\{\w+\}/g, "x"),
      takesUser: parameters.some(({ name }) => name === "user"),
      isOpen: security.length === 0,
      hasBody: requestBody !== undefined && method !== "put",
    })),
  );
}

describe("a key of one user, on each route that there is", () => {
  it("is refused in another user's name, and is that user's own without any", async () => {
    const it = withKeys();
    const { key } = it.make({ user: "alice" });
    const routes = await routesOf(it);
    expect(routes.length).toBeGreaterThan(15);
    for (const { method, path, takesUser, isOpen, hasBody } of routes) {
      const name = `${method} ${path}`;
      const given = { method, user: "", headers: it.as(key), ...(hasBody && { body: { nonsense: 1 } }) };
      if (isOpen) continue;
      if (!takesUser) {
        const { status } = await it.ask(path, given);
        expect(status === 403, `${name}: say whom it is for`).toBe(!FOR_EVERYBODY.includes(name));
        continue;
      }
      for (const user of ["bob", "Alice", "alice ", "*", ""]) {
        const query = `user=${encodeURIComponent(user)}`;
        expect(await problemIn(await it.ask(`${path}?${query}`, given)), name).toMatchObject({
          ...{ status: 403, code: "forbidden", field: "user" },
        });
      }
      // Twice is no way around it.
      expect((await it.ask(`${path}?user=alice&user=bob`, given)).status, name).toBe(400);
      const own = await it.ask(path, given);
      expect([401, 403], name).not.toContain(own.status);
      const text = await own.text();
      expect(text, name).not.toContain("name the user");
    }
    expect(it.runs.begun).toEqual([]);
  });

  it("finds nothing of another's by an id that it knows, and learns nothing of it", async () => {
    const it = withKeys();
    const { key } = it.make({ user: "alice" });
    await it.ask("/v1/runs", { user: "bob", body: { code: "" }, headers: ASYNC });
    const { runId } = it.runs.last;
    const byRun = (await routesOf(it)).filter(({ path }) => path.includes(NOBODYS));
    expect(byRun.length).toBeGreaterThan(3);
    for (const { method, path } of byRun) {
      const answer = async (id: string) => {
        const response = await it.ask(path.replace(NOBODYS, id), { method, user: "", headers: it.as(key) });
        return { status: response.status, text: (await response.text()).replaceAll(id, "ID") };
      };
      const theirs = await answer(runId);
      expect(theirs.status, path).toBe(404);
      expect(theirs, path).toEqual(await answer(NOBODYS));
    }
    expect(it.runs.last.signal?.aborted).toBe(false);
    expect((await jsonOf(await it.ask("/v1/runs", { user: "", headers: it.as(key) }))).runs).toEqual([]);
  });

  it("starts runs of its own user, and of no other, however the body says it", async () => {
    const it = withKeys();
    const headers = { ...it.as(it.make({ user: "alice" }).key), ...ASYNC };
    const start = (body: unknown, path = "/v1/runs") => it.ask(path, { user: "", body, headers });
    expect((await start({ code: "" })).status).toBe(202);
    expect((await start({ code: "", userId: "alice" })).status).toBe(202);
    expect((await start({ code: "" }, "/v1/runs?user=alice")).status).toBe(202);
    expect(it.runs.begun.map(({ userId }) => userId)).toEqual(["alice", "alice", "alice"]);
    for (const userId of ["bob", "ALICE", null, ["alice"], { alice: 1 }]) {
      expect(await problemIn(await start({ code: "", userId }))).toMatchObject({ status: 403, field: "userId" });
    }
    expect((await start('{"code":"","userId":"alice","userId":"bob"}')).status).toBe(403);
    expect((await start('{"code":"","__proto__":{"userId":"bob"}}')).status).not.toBe(202);
    expect(it.runs.begun).toHaveLength(3);
  });

  it("has Idempotency-Keys of its own user", async () => {
    const it = withKeys();
    const keyed = { ...ASYNC, "Idempotency-Key": "one" };
    const runIds: string[] = [];
    for (const user of ["alice", "bob"]) {
      const headers = { ...it.as(it.make({ user }).key), ...keyed };
      runIds.push((await jsonOf(await it.ask("/v1/runs", { user: "", body: { code: "" }, headers }))).runId);
    }
    expect(new Set(runIds).size).toBe(2);
  });
});

describe("a key that may act for users", () => {
  it("names one in each request, and may read the figures", async () => {
    const it = withKeys();
    const headers = it.as(it.make({ user: null }).key);
    expect((await it.ask("/v1/runs", { user: "bob", headers })).status).toBe(200);
    expect(await problemIn(await it.ask("/v1/runs", { user: "", headers }))).toMatchObject({
      status: 400,
      field: "user",
    });
    expect((await it.ask("/metrics", { user: "", headers })).status).toBe(200);
  });
});

describe("a key that may only look", () => {
  it.each<ApiKey["user"]>(["alice", null])("changes nothing, on any route (of %s)", async (user) => {
    const it = withKeys();
    const headers = it.as(it.make({ user, readOnly: true }).key);
    const named = user === null ? "?user=alice" : "";
    for (const { method, path, isOpen, takesUser } of await routesOf(it)) {
      if (isOpen || !takesUser) continue;
      const { status } = await it.ask(`${path}${named}`, { method, user: "", headers });
      expect(status === 403, `${method} ${path}`).toBe(method !== "GET");
    }
    expect(it.runs.begun).toEqual([]);
  });
});

describe("a key", () => {
  it("is good from its making on, until it is revoked or has expired", async () => {
    const it = withKeys();
    const status = async (key: string) => (await it.ask("/v1/runs", { headers: it.as(key) })).status;
    const { key, made } = it.make({ user: "alice" });
    expect(await status(key)).toBe(200);
    it.keys.revoke(made.id);
    expect(await status(key)).toBe(401);
    expect(await status(it.make({ user: "alice", expiresAt: new Date(Date.now() - 1).toISOString() }).key)).toBe(401);
    expect(await status(`iso_${made.id}_${"0".repeat(50)}`)).toBe(401);
  });

  it("is told from none by no word of the answer", async () => {
    const it = withKeys();
    const { key, made } = it.make({ user: "alice" });
    const answer = async (given: string) => (await it.ask("/v1/runs", { headers: it.as(given) })).text();
    const wrong = await answer(`iso_${made.id}_${"0".repeat(50)}`);
    it.keys.revoke(made.id);
    expect(await answer(key)).toBe(wrong);
    expect(await answer("iso_nonsense")).toBe(wrong);
  });

  it("does nothing for a request to another address, or from another page", async () => {
    const it = withKeys();
    const headers = it.as(it.make({ user: "alice" }).key);
    expect((await it.ask("/v1/runs", { headers: { ...headers, Host: "evil.example" } })).status).toBe(403);
    expect((await it.ask("/v1/runs", { headers: { ...headers, Origin: "http://evil.example" } })).status).toBe(403);
  });
});

describe("the token", () => {
  it("is good beside keys, and is none where others reach the service", async () => {
    expect((await withKeys().ask("/v1/runs")).status).toBe(200);
    const beyond = withKeys({ token: null });
    for (const given of [`Bearer ${TOKEN}`, "Bearer null", "Bearer ", "Bearer undefined"]) {
      expect((await beyond.ask("/v1/runs", { headers: { Authorization: given } })).status).toBe(401);
    }
  });
});

describe("a name that the operator allowed", () => {
  const allowed = { allowedHosts: ["api.example.org", "api.example.org:8321"] };

  it.each(["api.example.org", "API.example.org:8321"])("is this service's: %s", async (host) => {
    expect((await withKeys(allowed).ask("/v1/runs", { headers: { Host: host } })).status).toBe(200);
  });

  it.each(["example.org", "x.api.example.org", "api.example.org:443", "api.example.org.evil.example"])(
    "is not %s",
    async (host) => {
      expect((await withKeys(allowed).ask("/v1/runs", { headers: { Host: host } })).status).toBe(403);
    },
  );

  it("has pages of its own behind TLS, and no forwarded name counts", async () => {
    const it = withKeys(allowed);
    const status = async (headers: Record<string, string>) => (await it.ask("/v1/runs", { headers })).status;
    expect(await status({ Host: "api.example.org", Origin: "https://api.example.org" })).toBe(200);
    expect(await status({ Host: "api.example.org", Origin: "https://evil.example" })).toBe(403);
    expect(await status({ Host: "evil.example", "X-Forwarded-Host": "api.example.org" })).toBe(403);
    expect(await status({ Host: "evil.example", Forwarded: "host=api.example.org" })).toBe(403);
  });
});
