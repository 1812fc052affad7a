// Every route of the service has a method of the client, with all that the route takes: by the description, which is made of what is served.
import { describe, expect, it } from "vitest";
import type { Client } from "../../src/client/index.js";
import { addRoute } from "../../src/http/route.js";
import { json } from "../../src/http/schemas/common.js";
import { ResultSchema } from "../../src/http/schemas/result.js";
import { bed, jsonOf } from "../http/bed.js";
import { type Bed, client } from "./bed.js";

/** For whoever watches the service: machines with clients of their own. */
const NOT_FOR_CALLERS = ["GET /metrics", "GET /healthz", "GET /readyz"];
/** A run's user stands in its body; parts of a file cannot be sent, which the header is there to say. */
const NOT_TAKEN = ["POST /v1/runs: user", "PUT /v1/workspace/files/{path}: content-range"];

/** The compiler asks for each method that there is. */
type Calls<T> = { [name in keyof T]: (of: T) => Promise<unknown> };
const ID = "0193a2c0-8f4e-7c31-b5a2-3f1de2c4a901";
const OF = { user: "alice", workspace: "w" };
const PART = { ...OF, range: "bytes=0-1", ifRange: '"a"' };
const FOUND = { user: "alice", pageSize: 1, before: ID, text: "a", since: new Date(), until: new Date() };
const PAGE = { ...OF, pageSize: 1, after: "a" };

const RUNS: Calls<Client["runs"]> = {
  create: (runs) => runs.create({ code: "" }),
  start: (runs) => runs.start({ code: "" }),
  get: (runs) => runs.get(ID, OF),
  request: (runs) => runs.request(ID, OF),
  receipt: (runs) => runs.receipt(ID, OF),
  list: (runs) => runs.list({ ...FOUND, status: ["failed", "timed_out"] }).next(),
  cancel: (runs) => runs.cancel(ID, OF),
  events: (runs) => runs.events(ID, { ...OF, after: 3 }).next(),
  wait: (runs) => runs.wait(ID, OF),
  file: (runs) => runs.file(ID, "a/b.txt", PART),
};
const WORKSPACE: Calls<Client["workspace"]> = {
  list: (workspace) => workspace.list(PAGE).next(),
  get: async (workspace) => {
    for (const version of [undefined, "4"]) await workspace.get("a/b.txt", { ...PART, version }).catch(() => null);
  },
  put: (workspace) => workspace.put("a/b.txt", "", OF),
  delete: (workspace) => workspace.delete("a/b.txt", OF),
  zip: (workspace) => workspace.zip({ ...OF, path: "a" }),
  versions: (workspace) => workspace.versions(OF),
  undo: (workspace) => workspace.undo({}, OF),
};
const OTHERS: Calls<Omit<Client, "runs" | "workspace">> = {
  scenarios: (all) => all.scenarios(),
  tools: (all) => all.tools(),
  profiles: (all) => all.profiles(),
  status: (all) => all.status(),
  usage: (all) => all.usage({ user: "alice", since: "2031-01-31", until: "2031-01-31" }),
};

interface Operation {
  parameters?: { name: string; in: string }[];
}

/** What the description has and no method sends, and what methods send that it does not have. */
async function differences(server: Bed): Promise<{ missing: string[]; unknown: string[] }> {
  const gone = () => new Response("", { status: 404 });
  const { sent, ...made } = client(server, { before: gone });
  for (const call of Object.values(RUNS)) await call(made.runs).catch(() => null);
  for (const call of Object.values(WORKSPACE)) await call(made.workspace).catch(() => null);
  for (const call of Object.values(OTHERS)) await call(made).catch(() => null);

  const { paths } = await jsonOf(await server.ask("/openapi.json", { user: "" }));
  const described = Object.entries<Record<string, Operation>>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [] }]) => {
      const route = `${method.toUpperCase()} ${path}`;
      return { route, asked: patternOf(route), takes: parameters.filter((taken) => taken.in !== "path") };
    }),
  );
  const missing: string[] = [];
  const known = new Set<Request>();
  for (const { route, asked, takes } of described) {
    const requests = sent.filter(({ method, url }) => asked.test(`${method} ${new URL(url).pathname}`));
    for (const request of requests) known.add(request);
    if (requests.length === 0) missing.push(route);
    const given = requests.flatMap(({ url, headers }) => [...new URL(url).searchParams.keys(), ...headers.keys()]);
    if (requests.length > 0) {
      missing.push(...takes.filter(({ name }) => !given.includes(name)).map(({ name }) => `${route}: ${name}`));
    }
  }
  return { missing, unknown: sent.filter((request) => !known.has(request)).map(({ url }) => url) };
}

const patternOf = (route: string): RegExp =>
  new RegExp(
    `^${route
      .replaceAll(".", "\\.")
      .replace("{path}", ".+")
      .replace(/\{\w+\}/g, "[^/]+")}$`,
  );

describe("the client", () => {
  it("has all that the service's description has, and asks for nothing else", async () => {
    const { missing, unknown } = await differences(bed());
    expect(unknown).toEqual([]);
    expect(missing.sort()).toEqual([...NOT_FOR_CALLERS, ...NOT_TAKEN].sort());
  });

  it("asks for no other route than its method's, whatever a name is", async () => {
    const { runs, workspace, sent } = client(bed());
    for (const name of ["", ".", ".."]) {
      await expect(runs.cancel(name)).rejects.toBeInstanceOf(TypeError);
      await expect(workspace.get("a", { version: name })).rejects.toBeInstanceOf(TypeError);
      await expect(workspace.get(`a/${name}/b`)).rejects.toBeInstanceOf(TypeError);
    }
    expect(sent).toEqual([]);
    await expect(runs.get("../status?x=1#/")).rejects.toMatchObject({ code: "invalid_request", field: "runId" });
  });

  it("is found out where a route comes that it does not know", async () => {
    const server = bed();
    const route = { method: "get", path: "/v1/runs/{runId}/colour", tag: "runs", takes: {}, summary: "" } as const;
    addRoute(server.app, { ...route, answers: { 200: json("", ResultSchema) } }, () => new Response());
    expect((await differences(server)).missing).toContain("GET /v1/runs/{runId}/colour");
  });
});
