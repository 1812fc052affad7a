// What is kept of a request, so that a person can see later what was asked for: clean, and of bounded size.
import { KiB } from "../model/limits.js";
import type { Redaction } from "./redaction/redaction.js";
import type { RunRequest } from "./request.js";

/** Of what goes to the program's standard input. */
const MAX_STDIN_CHARS = 64 * KiB;
/** Of each other field but the code, as JSON. */
const MAX_FIELD_CHARS = 256 * KiB;
/** In the order they are shown in. */
const PLAIN = [
  "scenario",
  "turnId",
  "workspace",
  "profile",
  "backend",
  "timeoutMs",
  "sync",
  "durability",
  "language",
] as const;

export interface Asked {
  request: Record<string, unknown>;
  /** Fields that are left out or shortened. */
  cut: string[];
}

export function askedFor(fields: Partial<RunRequest>, redaction: Redaction): Asked {
  const { code, contract, args, env, labels, stdin, require, progName } = fields;
  const request: Record<string, unknown> = {};
  const cut: string[] = [];
  const put = (name: string, value: unknown) => {
    if (value === undefined) return;
    if (JSON.stringify(value).length <= MAX_FIELD_CHARS) request[name] = value;
    else cut.push(name);
  };
  if (code !== undefined) request.code = redaction.text(code);
  for (const name of PLAIN) put(name, redaction.value(fields[name]));
  // By its texts alone: a schema may well describe something that is called a password.
  const asJson = contract && parsed(redaction.text(JSON.stringify(contract)));
  if (asJson === null) cut.push("contract");
  else put("contract", asJson);
  put("args", redaction.value(args));
  put("env", env && redaction.variables(env));
  put("labels", labels && redaction.variables(labels));
  put("require", require);
  put("progName", progName && redaction.text(progName));
  if (stdin !== undefined) {
    const clean = redaction.text(stdin);
    if (clean.length > MAX_STDIN_CHARS) cut.push("stdin");
    request.stdin = clean.slice(0, MAX_STDIN_CHARS);
  }
  return { request, cut };
}

/** Null where what was masked took a part of the JSON with it. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
