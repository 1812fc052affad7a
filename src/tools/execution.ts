// One execution of one tool: its schema in, its handler, its promise out, all within its time. Knows nothing of ids, allow-lists and records.

import type { z } from "zod";
import { type Tool, type ToolContext, ToolFailure } from "./define-tool.js";
import { OpenOutputFiles, type OutputFiles } from "./output-files.js";

const DEFAULT_TIMEOUT_MS = 300_000;

/** What a handler is told of its run, and where its files and lines go. */
export interface ExecutionContext extends Pick<ToolContext, "runId" | "userId" | "turnId"> {
  readonly output: OutputFiles;
  /** Aborts with a ToolFailure when the run is cancelled or over. */
  readonly cancelled: AbortSignal;
  log(line: string): void;
}

/** Rejects with a ToolFailure, or with what the handler threw. A handler that ignores its signal holds up nobody. */
export async function executeTool(
  tool: Tool,
  toolId: string,
  params: unknown,
  context: ExecutionContext,
): Promise<unknown> {
  const timeoutMs = tool.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeUp = new AbortController();
  const timer = setTimeout(() => {
    timeUp.abort(new ToolFailure("tool_timeout", `${toolId} did not answer within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  const signal = AbortSignal.any([context.cancelled, timeUp.signal]);
  const ended = onceAborted(signal);
  try {
    return await Promise.race([perform(tool, toolId, params, context, signal), ended.promise]);
  } finally {
    clearTimeout(timer);
    ended.forget();
  }
}

async function perform(
  tool: Tool,
  toolId: string,
  sent: unknown,
  { runId, userId, turnId, output, log }: ExecutionContext,
  signal: AbortSignal,
): Promise<unknown> {
  // Without a pause where none is needed: whoever sees the call told may rely on its handler having begun.
  const params = checkNow(tool.params, sent) ?? (await tool.params.safeParseAsync(sent));
  if (!params.success) throw new ToolFailure("invalid_params", `${toolId}: ${firstIssue(params.error)}`);
  // Cancelled while the schema was at work: the handler would have an effect that nobody waits for.
  signal.throwIfAborted();
  const ret: unknown = await tool.handler(params.data, {
    ...{ runId, userId, turnId, signal },
    output: new OpenOutputFiles(output, signal),
    log: (line) => log(`${toolId}: ${line}`),
  });
  if (!tool.returns) return ret;
  const checked = checkNow(tool.returns, ret) ?? (await tool.returns.safeParseAsync(ret));
  if (checked.success) return checked.data;
  throw new ToolFailure(
    "result_invalid",
    `${toolId} returned something else than it promises: ${firstIssue(checked.error)}`,
  );
}

/** Null where the schema checks asynchronously; one that throws for another reason will do so again. */
function checkNow<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.ZodSafeParseResult<z.output<Schema>> | null {
  try {
    return schema.safeParse(value);
  } catch {
    return null;
  }
}

interface Issues {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

function firstIssue({ issues }: Issues): string {
  const issue = issues[0];
  const path = issue?.path.map(String).join(".");
  return `${path ? `${path}: ` : ""}${issue?.message ?? "is not valid"}`;
}

/** Rejects with the signal's reason; `forget` lets go of the signal where nobody waits any more. */
export function onceAborted(signal: AbortSignal): { promise: Promise<never>; forget(): void } {
  let onAbort = () => {};
  const promise = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  // Where it loses the race nobody else would take the rejection.
  promise.catch(() => {});
  return { promise, forget: () => signal.removeEventListener("abort", onAbort) };
}
