// Who may: a request must be for the address that is served, come from no other page's script, and carry the token.
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { IsoError } from "../model/errors.js";

export interface GuardOptions {
  /** Host headers of this service, in lower case. Known once it listens. */
  hosts: () => readonly string[];
  token: string;
  /** What needs no token: it tells nothing of any user. */
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
const OWN_SITE = ["same-origin", "none"];

/** On every answer, those to refused requests too. A route that serves a page says its own policy. */
export const answerHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!context.res.headers.has(name)) context.res.headers.set(name, value);
  }
};

export function guard({ hosts, token, open }: GuardOptions): MiddlewareHandler {
  const expected = digest(token);
  return async (context, next) => {
    const header = (name: string) => context.req.header(name);
    checkAddress(header, hosts());
    if (!open.includes(context.req.path)) checkToken(header("Authorization"), expected);
    await next();
  };
}

/** A name that an attacker's page made point here arrives as its own in Host; a script of that page tells its own in Origin. */
function checkAddress(header: (name: string) => string | undefined, hosts: readonly string[]): void {
  const host = header("Host")?.toLowerCase();
  if (host === undefined || !hosts.includes(host)) {
    throw new IsoError("forbidden", "The Host header names another address than this service has.", {
      hint: `It is served as ${hosts.join(", ")}.`,
      field: "Host",
    });
  }
  const origin = header("Origin");
  const site = header("Sec-Fetch-Site");
  const isForeign = origin !== undefined && !hosts.some((own) => origin.toLowerCase() === `http://${own}`);
  if (isForeign || (site !== undefined && !OWN_SITE.includes(site))) {
    throw new IsoError("forbidden", "Requests from pages of other origins are refused.", { field: "Origin" });
  }
}

function checkToken(authorization: string | undefined, expected: Buffer): void {
  const given = /^Bearer +([^\s]+) *$/i.exec(authorization ?? "")?.[1];
  // Of digests, which are of one length whatever was sent.
  if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
  const what = authorization === undefined ? "carries no token" : "carries another token than this service's";
  throw new IsoError("unauthorized", `The request ${what}.`);
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
