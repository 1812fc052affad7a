// The result document of a run (`iso-runtime/run-result@1`). Every key is always present.

import type { Durability, ProgramException, Status } from "./ending.js";
import type { ErrorCode } from "./errors.js";
import type { Artifact, Changes } from "./files.js";
import type { EnforcedLimit, LimitName } from "./limits.js";

export const RESULT_SCHEMA = "iso-runtime/run-result@1";
/** A result document stays below this many bytes as JSON. */
export const MAX_RESULT_BYTES = 5_000_000;

export interface RunError {
  code: ErrorCode;
  message: string;
  hint?: string;
  limit?: string;
  exception?: Pick<ProgramException, "type" | "message" | "traceback">;
}

export interface ToolCallRecord {
  id: string;
  toolId: string;
  params: unknown;
  callReason: string | null;
  ok: boolean;
  ret?: unknown;
  error?: { code: string; message: string };
  startedAt: string;
  durationMs: number;
}

export interface StreamText {
  text: string;
  /** Bytes the program wrote, kept or not. */
  bytes: number;
  truncated: boolean;
}

export interface Diagnostics {
  tree: string;
  userLog: string;
  infraLog: string;
  errorLines: string[];
  tracebacks: string[];
  hasError: boolean;
}

export interface Timings {
  queueMs: number;
  bootstrapMs: number;
  acquireMs: number;
  runMs: number;
  judgeMs: number;
  syncMs: number;
  totalMs: number;
}

export interface Usage {
  cpuMs: number | null;
  maxRssBytes: number | null;
  outputBytes: number | null;
  processes: number | null;
}

export interface Policy {
  limits: { [name in LimitName]: EnforcedLimit };
  network: "none";
  isolation: { namespaces: string[]; seccomp: boolean; hostUid: number | null };
}

export interface SandboxReport {
  backend: string;
  profile: string;
  warm: boolean;
  python: { path: string; version: string };
  policy: Policy;
}

export interface RunResult {
  schema: typeof RESULT_SCHEMA;
  ok: boolean;
  runId: string;
  userId: string;
  turnId: string;
  mode: "contract" | "side-effects";
  status: Status;
  scenario: string | null;
  error: RunError | null;
  exitCode: number | null;
  signal: string | null;
  contract: Artifact[];
  changes: Changes;
  toolCalls: ToolCallRecord[];
  output: { stdout: StreamText; stderr: StreamText };
  diagnostics: Diagnostics;
  totals: {
    toolCalls: number;
    errorLines: number;
    tracebacks: number;
    created: number;
    modified: number;
    deleted: number;
    skipped: number;
  };
  workspace: { synced: boolean; reason?: string; durability: Durability; version: string | null };
  timings: Timings | null;
  usage: Usage | null;
  sandbox: SandboxReport | null;
  paths: { workspace: string; sandbox: string } | null;
}
