// Who asks, and for whom they may: the one place where a caller is held to its user. Routes are described by what they take, and whatever
// of that names a user is compared here, before a route sees it.
import { timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import type { ApiKey } from "../harness/api-keys.js";
import { IsoError } from "../model/errors.js";

export interface Caller {
  /** The one user whom it may act for; null: any. */
  readonly user: string | null;
  readonly readOnly: boolean;
  /** Of the key it has; null for whoever has the service's own token. */
  readonly keyId: string | null;
}

declare module "hono" {
  interface ContextVariableMap {
    caller: Caller;
  }
}

/** What a key is looked up in. */
export interface KeyRing {
  find(given: string): ApiKey | null;
}

export interface Credentials {
  /** Null where there is none, as on addresses that others reach. */
  readonly token: string | null;
  readonly keys: KeyRing;
}

/** Tells from a request's `Authorization` who asks; throws `unauthorized`. */
export function callersOf({ token, keys }: Credentials): (authorization: string | undefined) => Caller {
  const own = token === null ? null : Buffer.from(token);
  return (authorization) => {
    const given = /^Bearer +([^\s]+) *$/i.exec(authorization ?? "")?.[1];
    if (given !== undefined) {
      if (own !== null && isSame(Buffer.from(given), own)) return OPERATOR;
      const key = keys.find(given);
      if (key !== null) return { user: key.user, readOnly: key.readOnly, keyId: key.id };
    }
    const what =
      authorization === undefined ? "carries neither key nor token" : "carries no key or token that is valid";
    throw new IsoError("unauthorized", `The request ${what}.`);
  };
}

const OPERATOR: Caller = { user: null, readOnly: false, keyId: null };
/** How long it is, is no secret. */
const isSame = (given: Buffer, own: Buffer): boolean => given.length === own.length && timingSafeEqual(given, own);

/** Fields by which a request names a user, wherever they stand. */
const USER_FIELDS = ["user", "userId"];

/** Whom a route is for. */
export interface Access {
  /** It changes something. */
  readonly changes: boolean;
  /** `user`: it names the user it is about. `everybody`: what it tells is no user's. `operator`: not for keys of one user. */
  readonly for: "user" | "everybody" | "operator";
}

/** Throws `forbidden`. */
export function checkAccess({ user, readOnly }: Caller, access: Access): void {
  if (readOnly && access.changes) throw new IsoError("forbidden", "This key may look, and change nothing.");
  if (user !== null && access.for === "operator") {
    throw new IsoError("forbidden", "This key is one user's, and this is about all of them.");
  }
}

/** A part of the request with the caller's user where it may name one; throws `forbidden` where it names another. */
export function boundTo(caller: Caller | null, fields: readonly string[], given: unknown): unknown {
  const own = caller?.user ?? null;
  if (own === null || typeof given !== "object" || given === null) return given;
  for (const field of USER_FIELDS) {
    const named = Object.getOwnPropertyDescriptor(given, field)?.value;
    if (named === undefined || named === own) continue;
    throw new IsoError("forbidden", `${field}: this key is another user's`, { field });
  }
  return fields.includes("user") ? { ...given, user: own } : given;
}

export const callerIn = (context: Context): Caller => {
  const caller: Caller | undefined = context.get("caller");
  if (caller === undefined) throw new IsoError("unauthorized", "The request carries neither key nor token.");
  return caller;
};
