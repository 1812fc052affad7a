// A tool as its author writes it: a name, a sentence, a zod schema and a handler.
import type { z } from "zod";
import type { ToolErrorCode } from "../model/errors.js";
import type { OutputFiles } from "./output-files.js";

export interface ToolContext {
  readonly runId: string;
  readonly userId: string;
  readonly turnId: string;
  /** Files of the run's out/; no path leads out of it, whatever the program planted there. Closed once `signal` aborts. */
  readonly output: OutputFiles;
  /** Aborts when the run is cancelled or over, the program gives the call up, or its time is up. */
  readonly signal: AbortSignal;
  /** A line for the run's infra.log. */
  log(line: string): void;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly params: z.ZodObject;
  readonly returns?: z.ZodType;
  /** At most a day, default five minutes; the program's own deadline stands still meanwhile. */
  readonly timeoutMs?: number;
  handler(params: unknown, context: ToolContext): unknown;
}

export interface ToolDefinition<Params extends z.ZodObject> extends Omit<Tool, "params" | "handler"> {
  readonly params: Params;
  handler(params: z.output<Params>, context: ToolContext): unknown;
}

/** Types the handler's parameters by the schema; the session hands it what that schema made of the program's. */
export function defineTool<Params extends z.ZodObject>(definition: ToolDefinition<Params>): Tool {
  const { params, handler, ...rest } = definition;
  return { ...rest, params, handler: (parsed, context) => handler(parsed as z.output<Params>, context) };
}

/** Thrown by a handler that wants the program's ToolError to carry a code of its own choice. */
export class ToolFailure extends Error {
  override readonly name = "ToolFailure";
  readonly code: ToolErrorCode | (string & {});

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  /** The code of a ToolFailure, also of another copy of this package, as a bundle may have one; else null. */
  static codeOf(thrown: unknown): string | null {
    if (!(thrown instanceof Error) || thrown.name !== "ToolFailure" || !("code" in thrown)) return null;
    return typeof thrown.code === "string" ? thrown.code.slice(0, 64) : null;
  }
}
