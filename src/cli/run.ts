// `iso-runtime run`: one run from flags to report and exit status.
import type { RunRequest } from "../harness/request.js";
import { rejectedResult } from "../harness/result.js";
import { createRuntime, type Runtime } from "../harness/runtime.js";
import { ERRORS } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { type Form, printEvent, printResult, writeOut } from "./documents.js";
import { type RunFlags, requestFrom, runtimeOptions } from "./flags.js";
import { LiveView } from "./live.js";
import { renderEnding, renderReport } from "./report/report.js";
import { styleFor } from "./report/style.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export async function runCommand(flags: RunFlags): Promise<number> {
  const form: Form = flags.json ? "json" : flags.events ? "events" : "human";
  const result = await attempt(flags, form);
  return exitStatus(result);
}

async function attempt(flags: RunFlags, form: Form): Promise<RunResult> {
  let request: RunRequest;
  let runtime: Runtime;
  try {
    request = await requestFrom(flags);
    runtime = await createRuntime(runtimeOptions(flags));
  } catch (error) {
    const result = rejectedResult({ userId: flags.user, turnId: flags.turn }, error);
    if (form !== "human") await printResult(result, form);
    await tellEnding(result, flags);
    return result;
  }
  try {
    return await stream(runtime, { ...request, signal: cancelOnSignal() }, flags, form);
  } finally {
    await runtime.close();
  }
}

async function stream(runtime: Runtime, request: RunRequest, flags: RunFlags, form: Form): Promise<RunResult> {
  const style = styleFor(process.stdout, flags.color);
  const live = new LiveView(form === "human" ? style : null);
  let result: RunResult | null = null;
  let followups: { id: string; label: string }[] = [];
  for await (const event of runtime.stream(request)) {
    live.show(event);
    if (form === "events") await printEvent(event);
    if (event.type === "comm.followups") followups = event.followups;
    if (event.type === "run.finished") result = event.result;
  }
  live.end();
  if (!result) throw new Error("the event stream ended without run.finished");
  if (form === "json") await printResult(result, "json");
  if (form !== "human" || result.status === "rejected") await tellEnding(result, flags);
  else await writeOut(renderReport(result, style, followups));
  return result;
}

/** The first signal cancels the run; the second ends the process, and with it every sandbox. */
function cancelOnSignal(): AbortSignal {
  const cancel = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (cancel.signal.aborted) process.exit(130);
      cancel.abort();
    });
  }
  return cancel.signal;
}

/** On stderr: what a person wants to know where stdout is a machine's, and all there is to say of a run that never started. */
async function tellEnding(result: RunResult, flags: RunFlags): Promise<void> {
  const text = renderEnding(result, styleFor(process.stderr, flags.color));
  await new Promise<void>((resolve) => process.stderr.write(text, () => resolve()));
}

function exitStatus({ error }: RunResult): number {
  return error === null ? 0 : ERRORS[error.code].exit;
}
