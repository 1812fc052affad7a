// `iso-runtime run`: one run from flags to report and exit status.

import type { PartialRequest } from "../harness/result.js";
import { ERRORS, IsoError, toIsoError } from "../model/errors.js";
import type { RunEvent } from "../model/events.js";
import type { RunResult } from "../model/result.js";
import { residentRunner } from "./daemon/client.js";
import { type Form, printEvent, printResult, writeOut } from "./documents.js";
import { type RunFlags, requestFrom } from "./flags.js";
import { LiveView } from "./live.js";
import { oneLine } from "./report/printable.js";
import { renderEnding, renderReport } from "./report/report.js";
import { styleFor } from "./report/style.js";
import { ownRunner, type Runner } from "./runner.js";

interface Told {
  result: RunResult;
  followups: { id: string; label: string }[];
}

/** Returns the exit status; throws for a fault of ours beside the run, as a stdout that cannot be written. `cancel` is aborted when the operator wants the run to end. */
export async function runCommand(flags: RunFlags, cancel: AbortSignal): Promise<number> {
  const form: Form = flags.json ? "json" : flags.events ? "events" : "human";
  const told = await attempt(flags, form, cancel);
  await report(told, flags, form);
  return exitStatus(told.result);
}

async function attempt(flags: RunFlags, form: Form, cancel: AbortSignal): Promise<Told> {
  let runner: Runner;
  try {
    const request = await requestFrom(flags, cancel);
    const resident = flags.daemon === false ? null : await residentRunner(flags, request, cancel);
    runner = resident ?? (await ownRunner(flags, request, cancel));
  } catch (error) {
    const result = await neverStarted(flags, error);
    if (form === "events") await printResult(result, "events");
    return { result, followups: [] };
  }
  try {
    return await stream(runner, flags, form);
  } finally {
    await runner.close();
  }
}

async function stream(runner: Runner, flags: RunFlags, form: Form): Promise<Told> {
  const live = await LiveView.open(form === "human" ? styleFor(process.stdout, flags.color) : null, flags.color);
  let result: RunResult | null = null;
  let followups: Told["followups"] = [];
  const warnings: string[] = [];
  let last: RunEvent | null = null;
  try {
    for await (const event of runner.events()) {
      last = event;
      live.show(event);
      if (form === "events") await printEvent(event);
      // Of the program's own errors the report speaks; what is left is ours, as a receipt that cannot be written.
      if (event.type === "comm.error" && event.data.errorLines.length + event.data.tracebacks.length === 0)
        warnings.push(event.message);
      if (event.type === "comm.followups") followups = event.followups;
      if (event.type === "run.finished") result = event.result;
    }
  } catch (error) {
    if (!(error instanceof IsoError) || error.code !== "interrupted") throw error;
    const { brokenOffResult } = await import("../harness/result.js");
    result = brokenOffResult(askedFor(flags, last?.runId), error);
    if (form === "events") await printResult(result, "events", (last?.seq ?? 0) + 1);
  } finally {
    live.end();
  }
  for (const warning of warnings) await writeErr(`iso-runtime: ${oneLine(warning, 2000)}\n`);
  if (!result) throw new Error("the event stream ended without run.finished");
  return { result, followups };
}

/** The document first; then the report, on stderr where stdout is a machine's and where nothing ran. */
async function report({ result, followups }: Told, flags: RunFlags, form: Form): Promise<void> {
  if (form === "json") await printResult(result, "json");
  const stream = form === "human" && result.status !== "rejected" ? process.stdout : process.stderr;
  const style = styleFor(stream, flags.color);
  const text = result.status === "rejected" ? renderEnding(result, style) : renderReport(result, style, followups);
  await (stream === process.stdout ? writeOut(text) : writeErr(text));
}

/** The result of flags that made no request, or of a runtime that could not be made. */
export async function neverStarted(flags: RunFlags, thrown: unknown): Promise<RunResult> {
  const { brokenOffResult, rejectedResult } = await import("../harness/result.js");
  const error = toIsoError(thrown);
  if (error.code === "interrupted") return brokenOffResult(askedFor(flags), error);
  const result = rejectedResult(askedFor(flags), error);
  return result.error?.code === "cancelled" ? { ...result, status: "cancelled" } : result;
}

function askedFor({ user: userId, turn: turnId, contract, contractFile }: RunFlags, runId?: string): PartialRequest {
  return { userId, turnId, contract: contract ?? contractFile, ...(runId !== undefined && { runId }) };
}

function writeErr(text: string): Promise<void> {
  return new Promise((resolve) => process.stderr.write(text, () => resolve()));
}

function exitStatus({ error }: RunResult): number {
  return error === null ? 0 : ERRORS[error.code].exit;
}
