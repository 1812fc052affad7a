// What a caller may ask for: the shape of a request, its limits, and the sentence that says which field is wrong.
import { z } from "zod";
import { DURABILITIES, SYNC_MODES } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import { KiB, LIMITS, MiB } from "../model/limits.js";
import { sayIssue } from "../model/say-issue.js";

const MAX_CODE_BYTES = 4 * MiB;
const MAX_STDIN_BYTES = 4 * MiB;
/** Names the program's environment gives a meaning to; a request must not change them. */
const RESERVED_ENV = /^(OUTPUT_DIR|WORKDIR|.*_ID|PATH|PYTHON.*|LD_.*)$/;

/** Half a surrogate pair has no bytes of its own: another text than the caller's would arrive. */
const text = (maxBytes: number) =>
  z
    .string()
    .refine((value) => Buffer.byteLength(value) <= maxBytes, `must be at most ${maxBytes} bytes`)
    .refine((value) => !/\p{Surrogate}/u.test(value), "is no valid Unicode: it has half a surrogate pair");

const noNul = (value: string) => !value.includes("\0");
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export const RunRequestSchema = z.strictObject({
  userId: z.string(),
  /** The snippet. Either this or `scenario`. */
  code: text(MAX_CODE_BYTES).optional(),
  /** Free text that selects a scenario of the bundle. */
  scenario: z.string().max(10_000).optional(),
  runId: z.string().regex(NAME, "must be 1–64 of A–Z a–z 0–9 _ -").optional(),
  turnId: z.string().regex(NAME, "must be 1–64 of A–Z a–z 0–9 _ -").optional(),
  /** Checked by the contract's own parser, which names the entry at fault. */
  contract: z.unknown().optional(),
  timeoutMs: z.number().min(LIMITS.timeout.min).max(LIMITS.timeout.max).optional(),
  profile: z.string().min(1).max(128).optional(),
  backend: z.string().min(1).max(128).optional(),
  workspace: z
    .string()
    .regex(/^[a-z0-9_-]{1,32}$/, "must be 1–32 of a–z 0–9 _ -")
    .nullable()
    .optional(),
  sync: z.enum(SYNC_MODES).optional(),
  durability: z.enum(DURABILITIES).optional(),
  stdin: text(MAX_STDIN_BYTES).optional(),
  args: z
    .array(text(64 * KiB).refine(noNul, "must not contain a NUL"))
    .max(1000)
    .optional(),
  env: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "must be a name of letters, digits and _")
        .refine((name) => !RESERVED_ENV.test(name), "is reserved (OUTPUT_DIR, WORKDIR, *_ID, PATH, PYTHON*, LD_*)"),
      text(64 * KiB).refine(noNul, "must not contain a NUL"),
    )
    .optional(),
  labels: z.record(z.string().max(128), z.string().max(1024)).optional(),
  language: z.literal("python", { error: 'must be "python", the only language today' }).optional(),
  require: z.array(z.string().max(128)).max(32).optional(),
  progName: z.string().max(128).optional(),
});

type Parsed = z.infer<typeof RunRequestSchema>;

/** A request as callers write it; `contract` and `signal` have their own checks. */
export interface RunRequest extends Omit<z.input<typeof RunRequestSchema>, "contract"> {
  contract?: import("../model/files.js").ContractEntry[] | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The request's plain fields, checked; `isShaped` where each went through its own schema before: a text of megabytes is not looked through
 * twice. Throws IsoError `invalid_request` that names the field.
 */
export function parseRequest(input: Record<string, unknown>, isShaped = false): Parsed {
  const request = isShaped ? (input as Parsed) : shaped(input);
  if ((request.code === undefined) === (request.scenario === undefined)) {
    throw new IsoError("invalid_request", "code: give either `code` or `scenario`", { field: "code" });
  }
  return request;
}

function shaped(input: Record<string, unknown>): Parsed {
  const { signal, ...fields } = input;
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) {
    throw new IsoError("invalid_request", "signal: must be an AbortSignal", { field: "signal" });
  }
  const parsed = RunRequestSchema.safeParse(fields, { error: sayIssue });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = describePath(issue);
    throw new IsoError("invalid_request", `${field}: ${sentence(issue)}`, {
      field,
      hint: `A request has: ${Object.keys(RunRequestSchema.shape).join(", ")}, signal.`,
    });
  }
  return parsed.data;
}

function describePath(issue: z.core.$ZodIssue | undefined): string {
  const path = issue?.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : (issue?.path ?? []);
  return path.length === 0 ? "request" : path.map(String).join(".").slice(0, 200);
}

function sentence(issue: z.core.$ZodIssue | undefined): string {
  if (!issue) return "is not valid";
  if (issue.code === "unrecognized_keys") return "is not a field of a request";
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  return issue.message;
}
