// One execution of one tool: its schema in, its handler, its promise out, all within its time. Knows nothing of ids, allow-lists and records.

import type { z } from "zod";
import type { CallEnd } from "./call-end.js";
import { type Tool, type ToolContext, ToolFailure } from "./define-tool.js";
import { OpenOutputFiles, type OutputFiles } from "./output-files.js";

const DEFAULT_TIMEOUT_MS = 300_000;

/** What a handler is told of its run, and where its files and lines go. */
export interface ExecutionContext extends Pick<ToolContext, "runId" | "userId" | "turnId"> {
  readonly output: OutputFiles;
  /** Of the call: it was given up, or its run is cancelled or over. Its time ends it too. */
  readonly end: CallEnd;
  log(line: string): void;
}

/** Rejects with a ToolFailure, or with what the handler threw. A handler that ignores its signal holds up nobody. */
export async function executeTool(
  tool: Tool,
  toolId: string,
  params: unknown,
  context: ExecutionContext,
): Promise<unknown> {
  const { end } = context;
  const timeoutMs = tool.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    end.end("tool_timeout", `${toolId} did not answer within ${timeoutMs / 1000} s`);
  }, timeoutMs);
  try {
    return await beforeEnd(end, perform(tool, toolId, params, context));
  } finally {
    clearTimeout(timer);
  }
}

/** What `work` comes to; rejects with the reason where the end is sooner. */
export function beforeEnd<T>(end: CallEnd, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const forget = end.listen(reject);
    work.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}

async function perform(
  tool: Tool,
  toolId: string,
  sent: unknown,
  { runId, userId, turnId, output, log, end }: ExecutionContext,
): Promise<unknown> {
  // Without a pause where none is needed: whoever sees the call told may rely on its handler having begun.
  const params = checkNow(tool.params, sent) ?? (await tool.params.safeParseAsync(sent));
  if (!params.success) throw new ToolFailure("invalid_params", `${toolId}: ${firstIssue(params.error)}`);
  // Cancelled while the schema was at work: the handler would have an effect that nobody waits for.
  if (end.reason !== null) throw end.reason;
  const ret: unknown = await tool.handler(params.data, {
    ...{ runId, userId, turnId },
    get signal() {
      return end.signal;
    },
    output: new OpenOutputFiles(output, end),
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
