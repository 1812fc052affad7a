// Builds the result document: every key present, lists and texts bounded, the whole below MAX_RESULT_BYTES.
import { uuidv7 } from "uuidv7";
import { infraLines } from "../diagnostics/infra-log.js";
import { type IsoError, toIsoError } from "../model/errors.js";
import { emptyChanges } from "../model/files.js";
import { KEEP } from "../model/limits.js";
import { MAX_RESULT_BYTES, RESULT_SCHEMA, type RunError, type RunResult, type StreamText } from "../model/result.js";
import type { AcceptedRun } from "./accept.js";

/** A JSON string takes at most this many bytes for each UTF-16 unit of text (a control character is \u00XX). */
const WORST_ESCAPE = 6;
/** What an entry of a list takes beside its texts, and what a tool call does with all that its record may hold. */
const ENTRY_BYTES = 512;
const TOOL_CALL_BYTES = 64 * 1024;

/** What is known of a request when it is refused; anything may be missing or of the wrong type. */
export interface PartialRequest {
  runId?: unknown;
  userId?: unknown;
  turnId?: unknown;
  contract?: unknown;
}

/** The result of a run that never started, with every key present. */
export function rejectedResult(request: PartialRequest, thrown: unknown): RunResult {
  const error = toIsoError(thrown);
  const status = error.code === "sandbox_unavailable" || error.code === "internal" ? "failed" : "rejected";
  return { ...blankResult(request), status, error: errorOf(error) };
}

/** The result of a run whose end nobody can tell: what did it ended before it. */
export function brokenOffResult(request: PartialRequest, error: IsoError): RunResult {
  const blank = blankResult(request);
  const reason = "the run was not brought to its end; the workspace is as it was before, or as it was after it";
  return { ...blank, status: "failed", error: errorOf(error), workspace: { ...blank.workspace, reason } };
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

export function errorOf(error: IsoError): RunError {
  return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

export function blankResult(request: PartialRequest): RunResult {
  const text = (value: unknown, fallback: string) => (typeof value === "string" ? value.slice(0, 256) : fallback);
  const runId = text(request.runId, "") || uuidv7();
  return {
    schema: RESULT_SCHEMA,
    ok: false,
    runId,
    userId: text(request.userId, ""),
    turnId: text(request.turnId, runId),
    mode: request.contract === undefined ? "side-effects" : "contract",
    status: "rejected",
    scenario: null,
    error: null,
    exitCode: null,
    signal: null,
    contract: [],
    changes: emptyChanges(),
    toolCalls: [],
    output: { stdout: emptyStream(), stderr: emptyStream() },
    diagnostics: { tree: "", userLog: "", infraLog: "", errorLines: [], tracebacks: [], hasError: false },
    totals: { toolCalls: 0, errorLines: 0, tracebacks: 0, created: 0, modified: 0, deleted: 0, skipped: 0 },
    workspace: { synced: false, reason: "nothing ran", durability: "process", version: null },
    timings: null,
    usage: null,
    sandbox: null,
    paths: null,
  };
}

const emptyStream = (): StreamText => ({ text: "", bytes: 0, truncated: false });

/** The same result with more to say in its infra log, in that log's own form: its file is closed by then. */
export function withInfra(result: RunResult, source: string, texts: readonly string[]): RunResult {
  if (texts.length === 0) return result;
  const { diagnostics } = result;
  const lines = texts.map((text) => infraLines(source, text)).join("");
  return { ...result, diagnostics: { ...diagnostics, infraLog: diagnostics.infraLog + lines } };
}

/**
 * The same result, below MAX_RESULT_BYTES. The largest texts are cut in the middle first, then lists are shortened; `truncate` is the one of
 * diagnostics. Costs one JSON pass, and only where the texts could be too long at all.
 */
export function fitResult(result: RunResult, truncate: (text: string, maxBytes: number) => string): RunResult {
  if (mostBytes(result) < MAX_RESULT_BYTES) return result;
  let fitted = result;
  for (let maxBytes: number = KEEP.streamBytes; jsonBytes(fitted) > MAX_RESULT_BYTES && maxBytes > 512; maxBytes /= 2) {
    fitted = shrink(result, truncate, maxBytes);
  }
  return fitted;
}

function shrink(result: RunResult, truncate: (text: string, maxBytes: number) => string, maxBytes: number): RunResult {
  const cut = (text: string) => truncate(text, maxBytes);
  const stream = (kept: StreamText): StreamText => {
    const text = cut(kept.text);
    return { ...kept, text, truncated: kept.truncated || text !== kept.text };
  };
  const keep = Math.max(10, Math.floor((KEEP.listEntries * maxBytes) / KEEP.streamBytes));
  const { changes, diagnostics, output, error } = result;
  return {
    ...result,
    error: error?.exception
      ? {
          ...error,
          exception: {
            type: cut(error.exception.type),
            message: cut(error.exception.message),
            traceback: cut(error.exception.traceback),
          },
        }
      : error,
    changes: {
      created: changes.created.slice(0, keep),
      modified: changes.modified.slice(0, keep),
      deleted: changes.deleted.slice(0, keep),
      skipped: changes.skipped.slice(0, keep),
      leftInWork: changes.leftInWork.slice(0, keep),
    },
    toolCalls: result.toolCalls.slice(0, keep),
    output: { stdout: stream(output.stdout), stderr: stream(output.stderr) },
    diagnostics: {
      ...diagnostics,
      tree: cut(diagnostics.tree),
      userLog: cut(diagnostics.userLog),
      infraLog: cut(diagnostics.infraLog),
      errorLines: diagnostics.errorLines.slice(0, keep).map(cut),
      tracebacks: diagnostics.tracebacks.slice(0, keep).map(cut),
    },
  };
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** More than the document can take, and cheap to find. */
function mostBytes({ output, diagnostics, error, changes, contract, toolCalls }: RunResult): number {
  const { stdout, stderr } = output;
  const { tree, userLog, infraLog, errorLines, tracebacks } = diagnostics;
  const { message = "", traceback = "" } = error?.exception ?? {};
  const texts = [stdout.text, stderr.text, tree, userLog, infraLog, error?.message ?? "", message, traceback];
  const files = Object.values(changes).flat();
  for (const list of [errorLines, tracebacks]) texts.push(...list);
  for (const entry of files) texts.push(entry.path, "reason" in entry ? entry.reason : "", entry.pathBase64 ?? "");
  for (const entry of contract) texts.push(entry.path, entry.description, entry.message ?? "");
  const units = texts.reduce((total, text) => total + text.length, 0);
  const entries = files.length + contract.length + errorLines.length + tracebacks.length + 100;
  return units * WORST_ESCAPE + entries * ENTRY_BYTES + toolCalls.length * TOOL_CALL_BYTES;
}
