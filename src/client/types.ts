// What the service takes and answers, as its own schemas have it. Types alone: nothing of zod is there when the client runs.
import type { z } from "zod";
import type { ProfileList, ScenarioList, ToolList } from "../http/schemas/catalogue.js";
import type { Receipt as ReceiptSchema } from "../http/schemas/receipt.js";
import type { ResultSchema } from "../http/schemas/result.js";
import type {
  RunBody,
  RunRequestKept,
  RunSummary as RunSummarySchema,
  RunUnderWay as RunUnderWaySchema,
  UsageAnswer,
} from "../http/schemas/runs.js";
import type { Status as StatusSchema } from "../http/schemas/status.js";
import type { FileList, FilePut, FileRemoved, UndoBody, Undone, VersionList } from "../http/schemas/workspace.js";
import type { RunEvent as AnyEvent } from "../model/events.js";
import type { ContractEntry } from "../model/files.js";

export type RunRequest = Omit<z.input<typeof RunBody>, "contract"> & { contract?: ContractEntry[] | undefined };
export type RunResult = z.output<typeof ResultSchema>;
export type RunUnderWay = z.output<typeof RunUnderWaySchema>;
export type RunSummary = z.output<typeof RunSummarySchema>;
/** Of a run in a list: how far it is, or how it ended. */
export type RunStatus = RunSummary["status"];
/** What was asked for with a run, without its secrets. */
export type KeptRequest = z.output<typeof RunRequestKept>;
export type Receipt = z.output<typeof ReceiptSchema>;
export type Usage = z.output<typeof UsageAnswer>;
/** `run.finished` has the result as the service answers it. */
export type RunEvent =
  | Exclude<AnyEvent, { type: "run.finished" }>
  | (Omit<Extract<AnyEvent, { type: "run.finished" }>, "result"> & { result: RunResult });

export type ListedFile = z.output<typeof FileList>["files"][number];
export type StoredFile = z.output<typeof FilePut>;
export type RemovedFile = z.output<typeof FileRemoved>;
export type Versions = z.output<typeof VersionList>;
export type UndoRequest = z.input<typeof UndoBody>;
export type UndoneVersion = z.output<typeof Undone>;

export type Scenarios = z.output<typeof ScenarioList>;
export type Tools = z.output<typeof ToolList>;
export type Profiles = z.output<typeof ProfileList>;
export type Status = z.output<typeof StatusSchema>;

/** Whose it is, where the client was not told once for all. A key of one user needs no word of it. */
export interface OfUser {
  user?: string | undefined;
  signal?: AbortSignal | undefined;
}
export interface OfWorkspace extends OfUser {
  /** Another workspace of the same user. */
  workspace?: string | undefined;
}
export interface FileOptions extends OfWorkspace {
  /** A part of it, as `bytes=0-99`. */
  range?: string | undefined;
  /** The `ETag` of an earlier part: where the file is another one by now, all of it comes. */
  ifRange?: string | undefined;
}
export interface UsageOptions extends OfUser {
  /** The first and the last day, of UTC, as `2031-01-31`; both count. */
  since?: string | undefined;
  until?: string | undefined;
}
