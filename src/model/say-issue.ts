// The sentence for a value that is of the wrong kind, for every schema whose own rows say nothing: callers read it, not people who know zod.
import type { z } from "zod";

const KINDS: Record<string, string> = {
  ...{ string: "a text", number: "a number", int: "a whole number", boolean: "true or false" },
  ...{ array: "a list", object: "an object", record: "an object" },
};

/** For `safeParse(value, { error: sayIssue })`; undefined leaves the schema's own words. */
export function sayIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") {
    if (issue.input === undefined) return "is missing";
    return `must be ${KINDS[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
  }
  if (issue.code === "invalid_value") return `must be one of ${issue.values.map((value) => String(value)).join(", ")}`;
  if (issue.code === "too_small") return `must ${size("at least", issue.minimum, issue.origin)}`;
  if (issue.code === "too_big") return `must ${size("at most", issue.maximum, issue.origin)}`;
  return undefined;
}

function size(bound: string, value: number | bigint, origin: string): string {
  if (origin === "string") return value === 1 ? "not be empty" : `have ${bound} ${value} characters`;
  return origin === "array" ? `have ${bound} ${value} entries` : `be ${bound} ${value}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  return KINDS[typeof value] ?? `a ${typeof value}`;
}
