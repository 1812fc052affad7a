// Judge: nothing of the sandbox runs any more, its files lie still. Contract, changes and ending are found from them and from what the kernel counted.
import { summariseUnmet, verifyContract } from "../contract/verify.js";
import { formatStack } from "../diagnostics/stack.js";
import type { ProgramEnd, ProgramException } from "../model/ending.js";
import type { Artifact, Changes } from "../model/files.js";
import type { Policy, RunResult } from "../model/result.js";
import { step } from "../model/steps.js";
import { Tree } from "../safefs/tree.js";
import type { KernelFacts, Sandbox } from "../sandbox/backend.js";
import type { Prepared, TreeDiff, WorkspaceStore } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import { type DiskExcess, excess } from "./disk-watch.js";
import type { Execution } from "./execute.js";
import { decide, type Verdict } from "./verdict.js";

export interface Judged {
  diff: TreeDiff;
  changes: Changes;
  totals: Pick<RunResult["totals"], "created" | "modified" | "deleted" | "skipped">;
  artifacts: Artifact[];
  overQuota: DiskExcess | null;
  verdict: Verdict;
  policy: Policy;
}

export interface JudgeInput {
  request: AcceptedRun;
  prepared: Prepared;
  sandbox: Sandbox;
  execution: Execution;
  kernel: KernelFacts;
  store: WorkspaceStore;
}

export async function judge({ request, prepared, sandbox, execution, kernel, store }: JudgeInput): Promise<Judged> {
  // A little beyond the limit, so that exceeding it is seen and not only that the look was cut short.
  const diff = await store.diff(prepared, { maxNewEntries: request.profile.limits.files + 1000 });
  step("judge.diffed");
  const artifacts = diff.replaced ? unseen(request) : await verify(request, prepared, diff);
  const overQuota = excess(diff.growth, request.profile.limits);
  const end = programEnd(execution, kernel, sandbox, request);
  const policy = countHits(sandbox.policy(), request, execution, end, overQuota);
  const verdict = decide({
    end,
    // What the engine says of its own end is nearer to the cause than how its silence looked from here.
    lost: kernel.lost ?? execution.lost,
    begun: execution.begun,
    contractUnmet: request.mode === "contract" ? summariseUnmet(artifacts) : null,
    overQuota,
    policy,
    timeoutMs: request.timeoutMs,
  });
  const { changes } = diff;
  const { leftInWork: _, ...totals } = diff.totals;
  return { diff, changes, totals, artifacts, overQuota, verdict, policy };
}

async function verify(request: AcceptedRun, prepared: Prepared, diff: TreeDiff): Promise<Artifact[]> {
  if (request.contract.length === 0) return [];
  using out = Tree.open(prepared.out);
  return await verifyContract(request.contract, out, diff);
}

/** With out/ itself gone or replaced there is nothing to look into, and nothing is followed. */
function unseen(request: AcceptedRun): Artifact[] {
  return request.contract.map(({ path, description, optional }) => ({
    ...{ path, description, status: "missing" as const, message: "out/ was removed or replaced by the program" },
    ...(optional && { optional: true as const }),
    ...{ bytes: null, mime: null, sha256: null },
  }));
}

function programEnd(execution: Execution, kernel: KernelFacts, sandbox: Sandbox, request: AcceptedRun): ProgramEnd {
  const { exit, hostStop } = execution;
  return {
    exitCode: exit?.exitCode ?? null,
    signal: exit?.signal ?? null,
    oomKills: highest(kernel.oomKills, exit?.kernel.oomKills ?? null),
    tasks: exit?.usage.processes ?? null,
    hostStop,
    reported: exit !== null,
    exception: hostStop?.reason === "timeout" ? whereItStood(execution, sandbox, request) : execution.exception,
  };
}

/** The stack of a program that ran out of time, as a traceback. */
function whereItStood(execution: Execution, sandbox: Sandbox, request: AcceptedRun): ProgramException {
  const main = `${sandbox.inside.work}/main.py`;
  const traceback = formatStack(execution.trace, request.code, main);
  return { type: "Timeout", message: whatIsKnown(traceback, execution.trace), traceback };
}

function whatIsKnown(traceback: string, trace: string): string {
  if (traceback) return "the program stood here when its time was over";
  if (trace) return "the program stood in no code of its own when its time was over: its last line was behind it";
  return "the program did not show where it stood (it blocked or replaced the signal that asks for it, or closed the answer's way)";
}

/** What the host itself enforces and counts, put into the sandbox's policy. */
function countHits(
  policy: Policy,
  { timeoutMs }: AcceptedRun,
  execution: Execution,
  end: ProgramEnd,
  overQuota: DiskExcess | null,
): Policy {
  const { memory, processes, timeout, output, disk, files, openFiles, fileSize } = policy.limits;
  const { errno } = end.exception ?? {};
  const stopped = execution.hostStop?.reason === "limit" ? execution.hostStop.limit : overQuota?.limit;
  const once = (happened: boolean) => ({ hits: happened ? 1 : 0 });
  const atLeastOnce = (hits: number | null, happened: boolean) => ({ hits: happened ? 1 : hits });
  const limits = {
    ...policy.limits,
    memory: { ...memory, hits: highest(memory.hits, end.oomKills) },
    processes: { ...processes, hits: highest(processes.hits, execution.exit?.kernel.processHits ?? null) },
    // A request may have a deadline of its own.
    timeout: { ...timeout, value: timeoutMs, ...once(execution.hostStop?.reason === "timeout") },
    output: { ...output, ...once(stopped === "output") },
    disk: { ...disk, ...once(stopped === "disk") },
    files: { ...files, ...once(stopped === "files") },
    openFiles: { ...openFiles, ...atLeastOnce(openFiles.hits, errno === "EMFILE") },
    fileSize: { ...fileSize, ...atLeastOnce(fileSize.hits, errno === "EFBIG" || end.signal === "SIGXFSZ") },
  };
  return { ...policy, limits };
}

function highest(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.max(a, b);
}
