// What the service takes and answers, as its own schemas have it. Types alone: nothing of zod is there when the client runs.
import type { z } from "zod";
import type { ProfileList, ScenarioList, ToolList } from "../http/schemas/catalogue.js";
import type { ResultSchema } from "../http/schemas/result.js";
import type {
  RunBody,
  RunSummary as RunSummarySchema,
  RunUnderWay as RunUnderWaySchema,
} from "../http/schemas/runs.js";
import type { FileList, FilePut, FileRemoved, UndoBody, Undone, VersionList } from "../http/schemas/workspace.js";
import type { RunEvent as AnyEvent } from "../model/events.js";
import type { ContractEntry } from "../model/files.js";

export type RunRequest = Omit<z.input<typeof RunBody>, "contract"> & { contract?: ContractEntry[] | undefined };
export type RunResult = z.output<typeof ResultSchema>;
export type RunUnderWay = z.output<typeof RunUnderWaySchema>;
export type RunSummary = z.output<typeof RunSummarySchema>;
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

/** Whose it is, where the client was not told once for all. */
export interface OfUser {
  user?: string | undefined;
  signal?: AbortSignal | undefined;
}
export interface OfWorkspace extends OfUser {
  /** Another workspace of the same user. */
  workspace?: string | undefined;
}
