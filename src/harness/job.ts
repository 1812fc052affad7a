// The job a runner gets, made from the request, the sandbox's paths and what its policy leaves to rlimits.

import type { ToolTable } from "../model/tools.js";
import { Tree } from "../safefs/tree.js";
import type { Sandbox } from "../sandbox/backend.js";
import type { Job } from "../sandbox/protocol/frames.js";
import type { AcceptedRun } from "./accept.js";

export function makeJob(request: AcceptedRun, sandbox: Sandbox, tools: ToolTable[]): Job {
  const { limits } = sandbox.policy();
  const left = (name: "processes" | "memory") => (limits[name].enforcedBy === "rlimit" ? limits[name].value : null);
  return {
    code: request.code,
    runId: request.runId,
    turnId: request.turnId,
    userId: request.userId,
    args: request.args,
    env: request.env,
    stdin: request.stdin === null ? null : Buffer.from(request.stdin).toString("base64"),
    work: sandbox.inside.work,
    out: sandbox.inside.out,
    cwd: sandbox.inside[request.profile.cwd],
    limits: {
      openFiles: limits.openFiles.value,
      fileSize: limits.fileSize.value,
      processes: left("processes"),
      addressSpace: left("memory"),
    },
    tools,
  };
}

/** Puts the snippet where the program finds itself: `work/main.py`, read-only, over the last run's where it is there. The runner executes the job's copy. */
export function writeSnippet(workDir: string, code: string): void {
  using work = Tree.open(workDir);
  if (!work.rewriteFile("main.py", code)) work.writeFile("main.py", code, { mode: 0o444, exclusive: true });
}
