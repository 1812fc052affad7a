// The public API of iso-runtime. What is not exported here is not promised.
export { type Bundle, defineBundle, type Scenario } from "./bundles/bundle.js";
export * as execTools from "./harness/exec-tools.js";
export type { RuntimeOptions } from "./harness/options.js";
export type { RunRequest } from "./harness/request.js";
export { createRuntime, Runtime } from "./harness/runtime.js";
export type { DiffView, HistoryView, ListedFile, UndoResult, Workspaces } from "./harness/workspaces.js";
export { ERRORS, type ErrorCode, IsoError } from "./model/errors.js";
export type { RunEvent } from "./model/events.js";
export type { Artifact, Changes, ContractEntry } from "./model/files.js";
export type { RunResult } from "./model/result.js";
export type { FileChange, Version } from "./model/versions.js";
export type { Sandbox, SandboxBackend } from "./sandbox/backend.js";
export type { Profile } from "./sandbox/profile.js";
export { defineTool, type Tool, type ToolContext, ToolFailure } from "./tools/define-tool.js";
export type { OutputFiles } from "./tools/output-files.js";
export { type DeferredCall, DeferredSource, type ToolSource } from "./tools/source.js";
export { type ToolDescriptor, ToolSubsystem } from "./tools/subsystem.js";
