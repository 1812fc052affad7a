// What becomes of a run that threw, and what of a result leaves this process.
import { IsoError, toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import type { AcceptedRun } from "./accept.js";
import type { Redaction } from "./redaction/redaction.js";
import { blankResult, errorOf } from "./result.js";

/** What a run throws while it is being cancelled is the cancelling, unless it is a fault with a name of its own. */
export function cancelled(thrown: unknown): unknown {
  if (thrown instanceof IsoError && thrown.code !== "internal") return thrown;
  return new IsoError("cancelled", "The caller cancelled the run before it started.", { cause: thrown });
}

/** What the steps found, without what they found of secrets. Who and which run it was is nobody's secret. */
export function cleanResult(result: RunResult, redaction: Redaction): RunResult {
  const { runId, userId, turnId, sandbox, paths } = result;
  return { ...redaction.value(result), runId, userId, turnId, sandbox, paths };
}

/** What a fault after the program began leaves of the workspace. */
export function notReached({ durability }: AcceptedRun): RunResult["workspace"] {
  const reason = "the run was not brought to its end; the workspace is as it was before";
  return { synced: false, reason, durability, version: null };
}

export function failedResult(accepted: AcceptedRun, thrown: unknown): RunResult {
  const error = toIsoError(thrown);
  const { mode, scenario } = accepted;
  const blank = { ...blankResult(accepted), mode, scenario: scenario?.id ?? null, error: errorOf(error) };
  if (error.code === "cancelled") return { ...blank, status: "cancelled" };
  const ours = error.code === "sandbox_unavailable" || error.code === "internal";
  return { ...blank, status: ours ? "failed" : "rejected" };
}
