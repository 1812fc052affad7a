// One description of a route serves three times: what comes in is checked by its schemas, the handler has their types, /openapi.json shows them.
import type { HttpBindings } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { z } from "zod";
import { IsoError } from "../model/errors.js";
import { sayIssue } from "../model/say-issue.js";
import { boundedBody, HeldBody, readAll, readIncoming } from "./bodies.js";
import { type Access, boundTo, type Caller, callerIn, checkAccess } from "./caller.js";
import type { Answer } from "./schemas/common.js";

interface Shapes {
  params?: z.ZodObject;
  query?: z.ZodObject;
  /** Names in lower case. */
  headers?: z.ZodObject;
  /** JSON. */
  body?: z.ZodObject;
}

type Taken<S extends Shapes> = { [K in keyof S]: S[K] extends z.ZodType ? z.output<S[K]> : undefined } & {
  /** The body as it was sent, where there is a schema for it. */
  text: string;
};

export interface Route<S extends Shapes> {
  method: "get" | "post" | "put" | "delete";
  /** `{name}` is one part of the path, `{name}{.+}` all that is left of it. */
  path: string;
  tag: string;
  summary: string;
  takes: S;
  /** Of the body; needed where there is one. */
  maxBytes?: number;
  /** The body of a type that is not JSON, for the description alone. */
  rawBody?: Answer["content"];
  /** True where neither key nor token is needed. */
  open?: boolean;
  /** Of a route that names no user: true where what it tells is no user's. Else it is not for keys of one user. */
  everybody?: boolean;
  answers: Record<number, Answer>;
}

const REST = "{.+}";
/** A file's name may have a line break, which a dot is not. */
const ANY_REST = "{[\\s\\S]+}";
export const TOKEN_SCHEME = "token";

export function addRoute<S extends Shapes>(
  app: OpenAPIHono,
  route: Route<S>,
  handle: (context: Context, input: Taken<S>) => Response | Promise<Response>,
): void {
  describe(app, route);
  const path = route.path.replace(/\{([A-Za-z]+)\}/g, ":$1").replace(REST, ANY_REST);
  const access = accessOf(route);
  app.on(route.method.toUpperCase(), path, async (context) => {
    const caller = route.open ? null : callerIn(context);
    if (caller !== null) checkAccess(caller, access);
    return handle(context, await take(context, route, caller));
  });
}

function accessOf<S extends Shapes>({ method, takes, everybody }: Route<S>): Access {
  const named = Object.keys({ ...takes.params?.shape, ...takes.query?.shape, ...takes.body?.shape });
  const isAboutUser = named.includes("user") || named.includes("userId");
  return { changes: method !== "get", for: isAboutUser ? "user" : everybody ? "everybody" : "operator" };
}

/** A path of the router's as the description has it. */
export function describedPath(path: string): string {
  return path.replace(ANY_REST, "").replace(/:(\w+)/g, "{$1}");
}

function describe<S extends Shapes>(app: OpenAPIHono, route: Route<S>): void {
  const { method, path, tag, summary, takes, rawBody, open, answers } = route;
  const content = takes.body ? { "application/json": { schema: takes.body } } : rawBody;
  const { params, query, headers } = takes;
  app.openAPIRegistry.registerPath({
    ...{ method, path: path.replace(REST, ""), tags: [tag], summary, operationId: operationOf(method, path) },
    security: open ? [] : [{ [TOKEN_SCHEME]: [] }],
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(content && { body: { required: true, content } }),
    },
    responses: answers,
  });
}

function operationOf(method: string, path: string): string {
  const words = path
    .replace(REST, "")
    .split(/[^A-Za-z]+/)
    .filter((word) => word !== "" && word !== "v");
  return [method, ...words].map((word, at) => (at === 0 ? word : word[0]?.toUpperCase() + word.slice(1))).join("");
}

async function take<S extends Shapes>(
  context: Context,
  { takes, maxBytes = 0 }: Route<S>,
  caller: Caller | null,
): Promise<Taken<S>> {
  const { req } = context;
  const { params, query, headers, body } = takes;
  const own = (schema: z.ZodObject, given: unknown) => boundTo(caller, Object.keys(schema.shape), given);
  const text = body === undefined ? "" : await readText(context, maxBytes, caller);
  const taken = {
    ...(params && { params: checked(params, own(params, req.param())) }),
    ...(query && { query: checked(query, own(query, once(req.queries()))) }),
    ...(headers && {
      headers: checked(
        headers,
        pick(Object.keys(headers.shape), (name) => req.header(name)),
      ),
    }),
    ...(body && { body: checked(body, own(body, parse(text, req.header("Content-Type")))) }),
    text,
  };
  // Each key is there exactly where its schema is, with what that schema gave.
  return taken as unknown as Taken<S>;
}

/** What schemas make of nothing: most requests have no query, and none of the headers that may be there. */
const ofNothing = new WeakMap<z.ZodObject, object | null>();

function checked(schema: z.ZodObject, value: unknown): unknown {
  if (isNothing(value)) {
    if (!ofNothing.has(schema)) ofNothing.set(schema, schema.safeParse({}).data ?? null);
    const known = ofNothing.get(schema);
    if (known) return { ...known };
  }
  const parsed = schema.safeParse(value, { error: sayIssue });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const field = path.map(String).join(".").slice(0, 200) || "request";
  const message = unknown === undefined ? sentence(issue) : "is not known here";
  throw new IsoError("invalid_request", `${field}: ${message}`, { field });
}

const isNothing = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

function sentence(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  return issue?.message ?? "is not valid";
}

function once(queries: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => {
      if (values.length === 1) return [name, values[0] ?? ""];
      throw new IsoError("invalid_request", `${name.slice(0, 100)}: is given twice`, { field: name.slice(0, 100) });
    }),
  );
}

function pick(names: string[], of: (name: string) => string | undefined): Record<string, string> {
  const found = names.map((name) => [name, of(name)] as const);
  return Object.fromEntries(found.filter((pair): pair is readonly [string, string] => pair[1] !== undefined));
}

/** Other bytes would be another text than the one that was sent. */
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Throws `too_large` before more than `maxBytes` are held. */
async function readText({ req, env }: Context, maxBytes: number, caller: Caller | null): Promise<string> {
  using held = new HeldBody(JSON.stringify(caller?.user ?? { key: caller?.keyId }));
  // There is none for a request that no network brought.
  const { incoming, outgoing }: Partial<HttpBindings> = env ?? {};
  const length = req.header("Content-Length");
  const bytes = incoming
    ? await readIncoming(incoming, { length, maxBytes }, held).catch((error) => {
        // What is left of it is nobody's to wait for.
        if (outgoing && "shouldKeepAlive" in outgoing) outgoing.shouldKeepAlive = false;
        throw error;
      })
    : await readAll(boundedBody(req.raw, maxBytes), held);
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new IsoError("invalid_request", "The body is no UTF-8.");
  }
}

/** Of JSON a page of another origin can send none without being asked about it first. */
function parse(text: string, type: string | undefined): unknown {
  if (!/^application\/json\s*(;|$)/i.test(type ?? "")) {
    throw new IsoError("unsupported_media_type", "The body must be JSON, with Content-Type: application/json.");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IsoError("invalid_request", `The body is no JSON: ${error instanceof Error ? error.message : error}`);
  }
}
