// The result document as HTTP answers it: the one of the command line, without `paths`, which are the host's.
import { z } from "zod";
import { DURABILITIES, STATUSES } from "../../model/ending.js";
import { ERRORS, type ErrorCode } from "../../model/errors.js";
import { LIMITS, type LimitName } from "../../model/limits.js";
import { RESULT_SCHEMA } from "../../model/result.js";

const optionalText = z.string().optional();
const file = { path: z.string(), pathBase64: optionalText };
const sized = z.object({ ...file, bytes: z.number() });
const stream = z.object({ text: z.string(), bytes: z.number(), truncated: z.boolean() });
const ms = z.number();
const count = z.number();

const limit = z.object({
  value: z.number(),
  unit: z.string(),
  enforcedBy: z.enum(["cgroup-v1", "cgroup-v2", "rlimit", "mount", "polling", "none"]),
  hits: z.number().nullable(),
});
const limitNames = Object.keys(LIMITS) as LimitName[];
const codes = Object.keys(ERRORS) as ErrorCode[];

export const MODES = ["contract", "side-effects"] as const;

const Contract = z.array(
  z.object({
    path: z.string(),
    description: z.string(),
    status: z.enum(["satisfied", "missing", "empty", "invalid", "blocked", "stale"]),
    code: z.enum(["too_small", "too_large", "wrong_type", "schema_mismatch", "columns_missing"]).optional(),
    message: optionalText,
    optional: z.literal(true).optional(),
    bytes: z.number().nullable(),
    mime: z.string().nullable(),
    sha256: z.string().nullable(),
  }),
);

export const ResultSchema = z
  .object({
    schema: z.literal(RESULT_SCHEMA),
    ok: z.boolean(),
    runId: z.string(),
    userId: z.string(),
    turnId: z.string(),
    mode: z.enum(MODES),
    status: z.enum(STATUSES),
    scenario: z.string().nullable(),
    error: z
      .object({
        code: z.enum(codes),
        message: z.string(),
        hint: optionalText,
        limit: optionalText,
        exception: z.object({ type: z.string(), message: z.string(), traceback: z.string() }).optional(),
      })
      .nullable(),
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    contract: Contract,
    changes: z.object({
      created: z.array(sized),
      modified: z.array(sized),
      deleted: z.array(z.object(file)),
      skipped: z.array(z.object({ ...file, reason: z.string() })),
      leftInWork: z.array(sized),
    }),
    toolCalls: z.array(
      z.object({
        id: z.string(),
        toolId: z.string(),
        params: z.unknown(),
        callReason: z.string().nullable(),
        ok: z.boolean(),
        ret: z.unknown().optional(),
        error: z.object({ code: z.string(), message: z.string() }).optional(),
        startedAt: z.string(),
        durationMs: ms,
      }),
    ),
    output: z.object({ stdout: stream, stderr: stream }),
    diagnostics: z.object({
      tree: z.string(),
      userLog: z.string(),
      infraLog: z.string(),
      errorLines: z.array(z.string()),
      tracebacks: z.array(z.string()),
      hasError: z.boolean(),
    }),
    totals: z.object({
      ...{ toolCalls: count, errorLines: count, tracebacks: count },
      ...{ created: count, modified: count, deleted: count, skipped: count },
    }),
    workspace: z.object({
      synced: z.boolean(),
      reason: optionalText,
      durability: z.enum(DURABILITIES),
      version: z.string().nullable(),
    }),
    timings: z
      .object({
        ...{ queueMs: ms, bootstrapMs: ms, acquireMs: ms, runMs: ms, judgeMs: ms, syncMs: ms, totalMs: ms },
      })
      .nullable(),
    usage: z
      .object({
        cpuMs: z.number().nullable(),
        maxRssBytes: z.number().nullable(),
        outputBytes: z.number().nullable(),
        processes: z.number().nullable(),
      })
      .nullable(),
    sandbox: z
      .object({
        backend: z.string(),
        profile: z.string(),
        warm: z.boolean(),
        python: z.object({ path: z.string(), version: z.string() }),
        policy: z.object({
          limits: z.object(Object.fromEntries(limitNames.map((name) => [name, limit]))),
          network: z.literal("none"),
          isolation: z.object({
            namespaces: z.array(z.string()),
            seccomp: z.boolean(),
            hostUid: z.number().nullable(),
          }),
        }),
      })
      .nullable(),
  })
  .meta({ id: "RunResult", description: "How a run ended, and all that is known of it. Every key is always present." });
