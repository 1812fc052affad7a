// What crosses between the tool broker and a sandbox: the table of tools the program sees, a call, and its answer.
import type { ToolErrorCode } from "./errors.js";

/** Aliases and tools the program gets as globals; parameters in the order positional arguments take. */
export interface ToolTable {
  alias: string;
  tools: { name: string; params: string[]; doc: string }[];
}

export interface ToolCall {
  /** The program's id of this call; used once per run. */
  id: string;
  /** "alias.name". */
  toolId: string;
  params: Record<string, unknown>;
  reason: string | null;
}

export type ToolAnswer =
  | { id: string; ok: true; ret: unknown }
  | { id: string; ok: false; error: { code: ToolErrorCode | (string & {}); message: string } };
