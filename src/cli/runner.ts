// Who does a run for the command line: a runtime of this very process, or a resident engine that has one.
import type { RunRequest } from "../harness/request.js";
import type { RunEvent } from "../model/events.js";
import { checkRequest, type RunFlags, runtimeOptions } from "./flags.js";

export interface Runner {
  /** Asked for once; the last is run.finished. Throws `interrupted` where the run's end will never be known. */
  events(): AsyncIterable<RunEvent>;
  /** Resolves when nothing of it is left in this process. */
  close(): Promise<void>;
}

/** Throws IsoError for a request or settings at fault. */
export async function ownRunner(flags: RunFlags, request: RunRequest, cancel: AbortSignal): Promise<Runner> {
  // Zod compiles a checker of its own for each kind of value at the first one: no single run earns that back.
  const { config } = await import("zod");
  config({ jitless: true });
  await checkRequest(request);
  const { createRuntimeForOneRun } = await import("../harness/runtime.js");
  const runtime = await createRuntimeForOneRun(runtimeOptions(flags));
  return { events: () => runtime.stream({ ...request, signal: cancel }), close: () => runtime.close() };
}
