// Report: puts what the steps found into the result document.
import { truncateMiddle } from "../diagnostics/truncate.js";
import type { RunResult } from "../model/result.js";
import type { Sandbox, SandboxBackend } from "../sandbox/backend.js";
import type { ToolSession } from "../tools/session.js";
import type { Prepared } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import type { Findings } from "./diagnose.js";
import type { Execution } from "./execute.js";
import type { Judged } from "./judge.js";
import type { Recorder } from "./recorder.js";
import { blankResult, fitResult } from "./result.js";
import type { Stopwatch } from "./stopwatch.js";
import { makeError, type Verdict } from "./verdict.js";

interface ReportInput {
  request: AcceptedRun;
  prepared: Prepared;
  backend: SandboxBackend;
  sandbox: Sandbox;
  warm: boolean;
  execution: Execution;
  judged: Judged;
  synced: RunResult["workspace"];
  findings: Findings;
  tools: ToolSession;
  recorder: Recorder;
  watch: Stopwatch;
}

export function report(input: ReportInput): RunResult {
  const { request, prepared, backend, sandbox, execution, judged, synced, findings, recorder } = input;
  const verdict = afterSync(judged.verdict, synced, request);
  const calls = input.tools.records();
  const usage = execution.exit?.usage ?? null;
  const result: RunResult = {
    ...blankResult(request),
    ok: verdict.status === "succeeded",
    mode: request.mode,
    status: verdict.status,
    scenario: request.scenario?.id ?? null,
    error: verdict.error,
    exitCode: verdict.exitCode,
    signal: verdict.signal,
    contract: judged.artifacts,
    changes: judged.changes,
    toolCalls: calls.list,
    output: { stdout: recorder.stream("stdout"), stderr: recorder.stream("stderr") },
    diagnostics: findings.diagnostics,
    totals: { toolCalls: calls.total, ...findings.totals, ...judged.totals },
    workspace: synced,
    timings: input.watch.timings(),
    usage: {
      cpuMs: usage?.cpuMs ?? null,
      maxRssBytes: usage?.maxRssBytes ?? null,
      outputBytes: recorder.outputBytes,
      processes: usage?.processes ?? null,
    },
    sandbox: {
      backend: backend.name,
      profile: request.profile.name,
      warm: input.warm,
      python: sandbox.python,
      policy: judged.policy,
    },
    paths: { workspace: prepared.workspaceDir, sandbox: prepared.dir },
  };
  return fitResult(result, truncateMiddle);
}

/** A success whose files could not be kept, though they were to be, is no success. */
function afterSync(verdict: Verdict, synced: RunResult["workspace"], request: AcceptedRun): Verdict {
  const wanted = request.sync !== "never" && request.ref.workspace !== null;
  if (verdict.status !== "succeeded" || synced.synced || !wanted) return verdict;
  const error = makeError(
    "internal",
    `The program succeeded, but its files were not kept: ${synced.reason ?? "unknown reason"}`,
    { hint: "What it wrote is in the sandbox folder until the user's next run. Mend what is named, and run it again." },
  );
  return { ...verdict, status: "failed", error };
}
