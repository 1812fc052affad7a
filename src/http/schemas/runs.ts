// Requests for runs, and runs as they are listed and looked at.
import { z } from "zod";
import type { AskedRun } from "../../harness/past-run.js";
import { RunRequestSchema } from "../../harness/request.js";
import { STATUSES } from "../../model/ending.js";
import { RunId, User } from "./common.js";
import { MODES, ResultSchema } from "./result.js";

const { userId, contract } = RunRequestSchema.shape;

const ENTRY = {
  type: "object",
  required: ["path", "description"],
  properties: {
    ...{ path: { type: "string" }, description: { type: "string" }, optional: { type: "boolean" } },
    ...{ minBytes: { type: "integer" }, maxBytes: { type: "integer" }, mime: { type: "string" } },
    ...{ schema: {}, columns: { type: "array", items: { type: "string" } } },
  },
} as const;

/** The library's request; the service makes the run's id itself. */
export const RunBody = RunRequestSchema.omit({ runId: true })
  .extend({
    userId: userId.optional().meta({ description: "Whose run it is; or say it as `?user=`." }),
    contract: contract.meta({ type: "array", items: ENTRY, description: "Files the run must produce, below out/." }),
  })
  .meta({
    id: "RunRequest",
    description: "Either `code` or `scenario`.",
    oneOf: [{ required: ["code"] }, { required: ["scenario"] }],
    example: { userId: "alice", code: "print('hello')" },
  });

export const RunQuery = z.strictObject({ user: User.optional() });

export const RunHeaders = z.object({
  prefer: z
    .string()
    .max(200)
    .optional()
    .meta({ description: "`respond-async`: answers 202 before the run has ended." }),
  "idempotency-key": z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: "The same key with the same body is the same run, for as long as the run is kept." }),
});

const Time = z.iso.datetime({ offset: true, error: "must be a time as 2031-01-31T12:00:00Z" });

const STATES = ["queued", "running", "waiting"] as const;

const summary = {
  runId: RunId,
  userId: z.string(),
  turnId: z.string(),
  mode: z.enum(MODES),
  scenario: z.string().nullable(),
  acceptedAt: z.string(),
};

export const RunUnderWay = z
  .object({ ...summary, status: z.enum(STATES) })
  .meta({ id: "RunUnderWay", description: "A run that has not ended yet." });

export const RunSummary = z
  .object({
    ...summary,
    status: z.enum([...STATES, ...STATUSES]),
    code: z.string().nullable(),
    totalMs: z.number().nullable(),
  })
  .meta({ id: "RunSummary", description: "A run in a list; `code` is its error's." });

export const RunOrResult = z.union([ResultSchema, RunUnderWay]);

export const RunList = z
  .object({
    runs: z.array(RunSummary),
    next: z.string().nullable().meta({ description: "The `before` of the next page." }),
  })
  .meta({ id: "RunList" });

export const ListQuery = z.strictObject({
  user: User,
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: RunId.optional().meta({ description: "Runs that are older than this one." }),
  status: z
    .string()
    .max(200)
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum([...STATES, ...STATUSES])))
    .optional()
    .meta({ type: "string", description: "Runs of this status, or of these: several with commas between." }),
  text: z
    .string()
    .min(1)
    .max(200)
    .refine((words) => !words.includes("\0"), "must not contain a NUL")
    .optional()
    .meta({ description: "Words of the code, the error or the beginning of the output; runs that have all of them." }),
  since: Time.optional().meta({ description: "Runs that were taken then or later." }),
  until: Time.optional().meta({ description: "Runs that were taken before." }),
});

export const RunRequestKept = z
  .object({
    ...{ runId: RunId, userId: z.string(), acceptedAt: z.string() },
    request: z.record(z.string(), z.unknown()).meta({ description: "As it was sent, but for secrets." }),
    cut: z.array(z.string()).meta({ description: "Fields that are shortened or left out, as they were too long." }),
  })
  .meta({ id: "RunRequestKept" });

const DAY = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, "must be a day as 2031-01-31");

export const UsageQuery = z.strictObject({
  user: User,
  since: DAY.optional().meta({ description: "The first day, of UTC." }),
  until: DAY.optional().meta({ description: "The last day, which counts too." }),
});

const used = {
  runs: z.int().meta({ description: "Runs that have ended." }),
  byStatus: z.partialRecord(z.enum(STATUSES), z.int()),
  seconds: z.number().meta({ description: "How long programs ran." }),
  cpuSeconds: z.number().meta({ description: "Processor time, of the runs of which it is known." }),
  cpuRuns: z.int().meta({ description: "How many those are." }),
  outputBytes: z.int().meta({ description: "What programs printed." }),
  fileBytes: z.int().meta({ description: "Files they made or changed, as far as the results list them." }),
};

export const UsageAnswer = z
  .object({
    userId: z.string(),
    since: z.string().nullable(),
    until: z.string().nullable(),
    total: z.object(used),
    days: z.array(z.object({ day: z.string(), ...used })).meta({ description: "Days with runs, the newest first." }),
    storedBytes: z.int().meta({ description: "What the user's kept runs take, without the workspace." }),
  })
  .meta({ id: "Usage" });

export const EventHeaders = z.object({
  "last-event-id": z
    .string()
    .regex(/^\d{1,15}$/, "must be the number of an event")
    .optional()
    .meta({ description: "The last event that was read; the next ones follow." }),
});

/** One of the stream; the description of a stream is that of each of its events. */
export const SentEvent = z
  .object({
    id: z
      .string()
      .optional()
      .meta({ description: "What `Last-Event-ID` names it by: its `seq`, or of the last one a number beyond all." }),
    event: z.string().optional().meta({ description: "Its `type`." }),
    data: z.string().optional().meta({ description: "The event as JSON.", contentMediaType: "application/json" }),
    retry: z.int().optional(),
  })
  .meta({ id: "SentEvent", description: "A server-sent event; its `data` is an event of the run." });

export function underWay({
  runId,
  userId: whose,
  turnId,
  mode,
  scenario,
  acceptedAt,
  state,
}: Omit<AskedRun, "result" | "ended">) {
  return { runId, userId: whose, turnId, mode, scenario, acceptedAt, status: state };
}

export function summaryOf(run: AskedRun): z.infer<typeof RunSummary> {
  return {
    ...underWay(run),
    status: run.result?.status ?? run.state,
    code: run.result?.error?.code ?? null,
    totalMs: run.result?.timings?.totalMs ?? null,
  };
}
