// The events of a run's live stream (`comm`), one type a row.
import type { Artifact, Changes } from "./files.js";
import type { Diagnostics, RunResult, ToolCallRecord } from "./result.js";

interface EventBodies {
  "run.accepted": { userId: string; turnId: string; mode: RunResult["mode"]; scenario: string | null };
  "run.started": { backend: string; profile: string; warm: boolean };
  output: { stream: "stdout" | "stderr" | "log"; text: string };
  "tool.called": { id: string; toolId: string; params: unknown; callReason: string | null };
  "tool.returned": Pick<ToolCallRecord, "id" | "toolId" | "ok" | "error" | "durationMs">;
  "contract.checked": { contract: Artifact[] };
  "changes.detected": {
    changes: Changes;
    totals: Pick<RunResult["totals"], "created" | "modified" | "deleted" | "skipped">;
  };
  "workspace.synced": { workspace: RunResult["workspace"] };
  report: { diagnostics: Diagnostics };
  "comm.error": { message: string; data: { errorLines: string[]; tracebacks: string[] } };
  "comm.followups": { followups: { id: string; label: string }[] };
  "run.finished": { result: RunResult };
}

export type EventType = keyof EventBodies;

type Told = { [type in EventType]: { type: type } & EventBodies[type] }[EventType];

/** Output as it is emitted: UTF-8 that breaks no character. It becomes text when somebody reads it. */
export interface OutputInput {
  type: "output";
  stream: EventBodies["output"]["stream"];
  bytes: Buffer;
}

/** What an emitter passes: the type and its body. Numbering, time and run id are the bus's. */
export type EventInput = Exclude<Told, { type: "output" }> | OutputInput;

/** One event as a reader gets it; `seq` counts from 1 without gaps. */
export type RunEvent = Told & { seq: number; at: string; runId: string };
