// One run, from an accepted request to its result. Each step is a module of its own; this file is the order they come in.
import type { EventInput } from "../model/events.js";
import type { RunResult } from "../model/result.js";
import { step } from "../model/steps.js";
import type { SandboxBackend } from "../sandbox/backend.js";
import type { SandboxPool } from "../sandbox/pool.js";
import type { ToolSubsystem } from "../tools/subsystem.js";
import type { WorkspaceStore } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import { acquire } from "./acquire.js";
import { diagnose } from "./diagnose.js";
import { execute } from "./execute.js";
import { makeJob, writeSnippet } from "./job.js";
import { judge } from "./judge.js";
import { Recorder } from "./recorder.js";
import { report } from "./report.js";
import type { RunReceipt } from "./run-receipt.js";
import { deadlineOf, type Seams, unlimited, watched } from "./seams.js";
import { Stopwatch } from "./stopwatch.js";
import { sync } from "./sync.js";
import { openToolSession } from "./tool-session.js";
import { phase, type RunTrace } from "./trace.js";

export interface RunParts {
  store: WorkspaceStore;
  pool: SandboxPool;
  tools: ToolSubsystem;
  backend: SandboxBackend;
  /** How this backend came to be the run's, in a sentence. */
  why: string;
  receipt: RunReceipt;
  /** Where others decide when a run begins. */
  turn?: ((signal: AbortSignal) => Promise<void>) | undefined;
  seams: Seams;
  /** Whether somebody may hear of output while it comes. */
  isLive: boolean;
  /** Null where nobody follows traces. */
  trace: RunTrace | null;
}

/** Throws for faults that are ours or the caller's; every ending of the program is a result. `signal` cancels in each state. */
export async function run(
  request: AcceptedRun,
  parts: RunParts,
  emit: (event: EventInput) => void,
  signal: AbortSignal,
): Promise<RunResult> {
  const { store, trace } = parts;
  const watch = new Stopwatch(trace);

  await using lock = await watch.time("queueMs", async () => {
    await parts.turn?.(signal);
    return await store.lock(request.ref, signal);
  });
  await using held = await acquire(request, parts, { watch, lock, signal });
  const { prepared, sandbox, warm } = held;
  step("run.acquired");

  const recorder = new Recorder(prepared.logs, parts.isLive ? emit : null, request.redaction);
  recorder.infra(
    "runtime",
    `sandbox ${sandbox.id} on ${parts.backend.name}${warm ? ", booted ahead" : ""}: ${parts.why}`,
  );
  const tools = openToolSession(parts.tools, request, prepared, recorder, emit);
  writeSnippet(prepared.work, request.code);
  step("run.snippet");
  await sandbox.deliver(prepared.dir);
  await store.delivered(prepared);
  await parts.receipt.began();
  emit({ type: "run.started", backend: parts.backend.name, profile: request.profile.name, warm });

  const { seams } = parts;
  const job = unlimited(makeJob(request, sandbox, parts.tools.table), seams);
  const execution = await watch.time("runMs", () =>
    execute({
      ...{ sandbox, job, signal, tools, recorder, emit },
      limits: watched(request.profile.limits, seams),
      timeoutMs: deadlineOf(request.timeoutMs, seams),
      disk: { dir: prepared.dir, before: prepared.size },
    }),
  );

  step("run.ended");
  recorder.outputEnded();
  const kernel = await phase(trace, "stop", async () => {
    const counted = await sandbox.stop(execution.exit?.kernel);
    await tools.settled();
    return counted;
  });
  step("run.stopped");
  await sandbox.collect();
  step("run.collected");

  const judged = await watch.time("judgeMs", () => judge({ request, prepared, sandbox, execution, kernel, store }));
  step("run.judged");
  emit({ type: "contract.checked", contract: judged.artifacts });
  emit({ type: "changes.detected", changes: judged.changes, totals: judged.totals });

  const synced = await watch.time("syncMs", () => sync(request, store, prepared, judged));
  emit({ type: "workspace.synced", workspace: synced });
  step("run.synced");

  const findings = await phase(trace, "diagnose", () =>
    diagnose({ recorder, prepared, sandbox, known: judged.diff.tree }),
  );
  emit({ type: "report", diagnostics: findings.diagnostics });
  if (findings.diagnostics.hasError) {
    const { errorLines, tracebacks } = findings.diagnostics;
    emit({ type: "comm.error", message: "Program error detected in user.log", data: { errorLines, tracebacks } });
  }

  const { backend } = parts;
  return await phase(trace, "report", () =>
    report({
      request,
      prepared,
      backend,
      sandbox,
      warm,
      execution,
      judged,
      synced,
      findings,
      tools,
      recorder,
      watch,
    }),
  );
}
