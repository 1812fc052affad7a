// The seed's two entry points over one runtime of the process, made at the first call from environment and configuration.
import type { ContractEntry } from "../model/files.js";
import type { RunResult } from "../model/result.js";
import type { RunRequest } from "./request.js";
import { createRuntime, type Runtime } from "./runtime.js";

export interface ExecToolRequest extends Omit<RunRequest, "contract" | "scenario"> {
  code: string;
  contract: ContractEntry[];
}

let shared: Promise<Runtime> | null = null;

async function sharedRuntime(): Promise<Runtime> {
  shared ??= createRuntime();
  try {
    return await shared;
  } catch (error) {
    shared = null;
    throw error;
  }
}

/** Contract mode: the run succeeds only when every artifact of `contract` is as promised. */
export async function runExecTool(request: ExecToolRequest): Promise<RunResult> {
  const runtime = await sharedRuntime();
  // Without a contract it must be refused, not run in the other mode.
  return await runtime.run(
    typeof request === "object" && request !== null ? { ...request, contract: request.contract ?? [] } : request,
  );
}

/** Side-effects mode: no contract; the result lists what changed under out/. */
export async function runExecToolNoContract(request: Omit<ExecToolRequest, "contract">): Promise<RunResult> {
  const runtime = await sharedRuntime();
  return await runtime.run(request);
}

/** Ends the shared runtime; the next call makes a new one. */
export async function close(): Promise<void> {
  const runtime = shared;
  shared = null;
  await (await runtime)?.close();
}
