// What the service answers, as the page reads it. The shapes are the service's own.
import type { z } from "zod";
import type { ProfileList, ScenarioList, ToolList } from "../../../src/http/schemas/catalogue.js";
import type { Status as ServiceStatus } from "../../../src/http/schemas/status.js";
import type { FileList, VersionList } from "../../../src/http/schemas/workspace.js";
import type { Status } from "../../../src/model/ending.js";
import type { RunEvent as Told } from "../../../src/model/events.js";
import type { ShownResult } from "../../../src/model/result-text.js";

export type { Status } from "../../../src/model/ending.js";
export type { Artifact, Changes, FileEntry, FilePath, SkippedEntry } from "../../../src/model/files.js";
export type { EnforcedLimit, LimitName } from "../../../src/model/limits.js";
export type { Timings, ToolCallRecord } from "../../../src/model/result.js";

export type Result = ShownResult;
export type RunEvent =
  | Exclude<Told, { type: "run.finished" }>
  | (Omit<Extract<Told, { type: "run.finished" }>, "result"> & { result: Result });
export type Scenario = z.infer<typeof ScenarioList>["scenarios"][number];
export type Profiles = z.infer<typeof ProfileList>;
export type Tool = z.infer<typeof ToolList>["tools"][number];
export type State = z.infer<typeof ServiceStatus>;
export type Files = z.infer<typeof FileList>;
export type Versions = z.infer<typeof VersionList>;
export type Version = Versions["versions"][number];

export type RunState = "queued" | "running" | "waiting";

export interface RunSummary {
  runId: string;
  userId: string;
  turnId: string;
  mode: Result["mode"];
  scenario: string | null;
  acceptedAt: string;
  status: RunState | Status;
  code: string | null;
  /** Where the service tells it. */
  totalMs?: number | null;
}

export interface RunList {
  runs: RunSummary[];
  next: string | null;
}

export interface ContractRow {
  path: string;
  description: string;
  optional?: boolean;
  mime?: string;
  columns?: string[];
}

export interface RunRequest {
  code?: string;
  scenario?: string;
  contract?: ContractRow[];
  profile?: string;
  timeoutMs?: number;
  env?: Record<string, string>;
  stdin?: string;
}

export interface ReceiptLine {
  sealed: boolean;
  line: Record<string, unknown> & { seq: number; hash: string };
}

export interface Receipt {
  began: ReceiptLine | null;
  ended: ReceiptLine | null;
}
