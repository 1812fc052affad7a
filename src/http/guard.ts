// Who may: a request must be for an address that is served, come from no other page's script, and carry a key or the token.
import type { HttpBindings } from "@hono/node-server";
import type { MiddlewareHandler } from "hono";
import { IsoError } from "../model/errors.js";
import { type Credentials, callersOf } from "./caller.js";
import { note } from "./record.js";

export interface GuardOptions {
  /** Host headers of this service, in lower case. Known once it listens. */
  hosts: () => readonly string[];
  /** Those that the operator gave names to beside. TLS may end before them. */
  allowedHosts: () => readonly string[];
  credentials: Credentials;
  /** What needs neither key nor token: it tells nothing of any user. */
  open: readonly string[];
}

/** Answers are data, never pages of anybody's: a browser must not run, frame, keep or sniff them. */
const HEADERS = {
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};
const SENT = Object.entries(HEADERS);
const OWN_SITE = ["same-origin", "none"];

/** On every answer to what is a request, refused ones too. A route that serves a page says its own policy. */
export const answerHeaders: MiddlewareHandler<{ Bindings: Partial<HttpBindings> }> = async (context, next) => {
  const outgoing = context.env?.outgoing;
  // On its connection at once: a platform's headers take half as long as all else of a small answer.
  if (outgoing && "setHeader" in outgoing) for (const [name, value] of SENT) outgoing.setHeader(name, value);
  await next();
  if (outgoing) return;
  for (const [name, value] of SENT) if (!context.res.headers.has(name)) context.res.headers.set(name, value);
};

export function guard({ hosts, allowedHosts, credentials, open }: GuardOptions): MiddlewareHandler {
  const callerOf = callersOf(credentials);
  return async (context, next) => {
    const header = (name: string) => context.req.header(name);
    checkAddress(header, hosts(), allowedHosts());
    if (!open.includes(context.req.path)) {
      const caller = callerOf(header("Authorization"));
      context.set("caller", caller);
      const { keyId: key, user } = caller;
      note(context, { ...(key !== null && { key }), ...(user !== null && { user }) });
    }
    await next();
  };
}

/** A name that an attacker's page made point here arrives as its own in Host; a script of that page tells its own in Origin. */
function checkAddress(
  header: (name: string) => string | undefined,
  hosts: readonly string[],
  allowed: readonly string[],
): void {
  const host = header("Host")?.toLowerCase();
  if (host === undefined || !(hosts.includes(host) || allowed.includes(host))) {
    throw new IsoError("forbidden", "The Host header names another address than this service has.", {
      hint: `It is served as ${[...hosts, ...allowed].join(", ")}.`,
      field: "Host",
    });
  }
  const origin = header("Origin")?.toLowerCase();
  const site = header("Sec-Fetch-Site");
  const isOwn = (hosts: readonly string[], scheme: string) => hosts.some((own) => origin === `${scheme}://${own}`);
  const isForeign =
    origin !== undefined && !(isOwn(hosts, "http") || isOwn(allowed, "http") || isOwn(allowed, "https"));
  if (isForeign || (site !== undefined && !OWN_SITE.includes(site))) {
    throw new IsoError("forbidden", "Requests from pages of other origins are refused.", { field: "Origin" });
  }
}
