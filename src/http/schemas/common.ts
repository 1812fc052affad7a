// Pieces that several routes describe: whose it is, the problem, the answers that any of them may give.
import { z } from "zod";
import { ERRORS } from "../../model/errors.js";

export const User = z
  .string("is missing: name the user")
  .min(1)
  .max(256)
  // Characters, of which a text here may have two units each; the id's own check counts them.
  .meta({
    description: "Whose it is: 1–128 characters, as a run's `userId`. A key of one user may leave it out.",
    example: "alice",
    maxLength: 128,
  });

export const OfUser = z.strictObject({ user: User });

const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const RunId = z.string().regex(RUN_ID, "must be a run's id, a UUID of version 7").meta({
  example: "0193a2c0-8f4e-7c31-b5a2-3f1de2c4a901",
});
export const OfRun = z.object({ runId: RunId });

const codes = Object.entries(ERRORS)
  .filter(([, { http }]) => http >= 400)
  .map(([code]) => code);

const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(codes),
    hint: z.string().optional(),
    field: z.string().optional(),
    runId: z.string().optional(),
  })
  .meta({ id: "Problem", description: "What went wrong (RFC 9457), with the code that the command line has for it." });

export interface Answer {
  description: string;
  headers?: Record<string, { schema: { type: "string" }; description: string }>;
  content?: Record<string, { schema: z.ZodType }>;
}

export const header = (description: string) => ({ schema: { type: "string" as const }, description });

const RETRY_AFTER = { "Retry-After": header("Seconds until it is worth asking again.") };

const problemAnswer = (status: number, description = ""): Answer => ({
  description,
  ...((status === 429 || status === 503) && { headers: RETRY_AFTER }),
  content: { "application/problem+json": { schema: ProblemSchema } },
});

const PROBLEMS: Record<number, string> = {
  400: "The request is wrong; `field` names where.",
  401: "There is neither key nor token, or none that is valid.",
  403: "Another Host or Origin than this service's; not for this key; or the user's storage is full.",
  404: "There is no such thing, or it is another user's.",
  409: "It clashes with what is there.",
  413: "The body is too large.",
  415: "The body is of another type.",
  416: "The file ends before that range.",
  422: "The host cannot give what the run requires.",
  429: "Too much at once; Retry-After says when to ask again.",
  500: "A fault of the service's own; its log says more.",
  503: "No sandbox can be had, or the service is stopping.",
};

/** Answers that a route may give beside what it is for. */
export function problems(...further: (keyof typeof PROBLEMS)[]): Record<number, Answer> {
  const statuses = [400, 401, 403, 500, ...further];
  return Object.fromEntries(statuses.map((status) => [status, problemAnswer(status, PROBLEMS[status])]));
}

export const json = (description: string, schema: z.ZodType, headers?: Answer["headers"]): Answer => ({
  description,
  ...(headers && { headers }),
  content: { "application/json": { schema } },
});
