// Opens the run's door to host tools: their files are below out/, their records and log lines are the run's.
import type { EventInput } from "../model/events.js";
import { Tree } from "../safefs/tree.js";
import { TreeOutputFiles } from "../tools/output-files.js";
import type { ToolSession } from "../tools/session.js";
import type { ToolSubsystem } from "../tools/subsystem.js";
import type { Prepared } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import type { Recorder } from "./recorder.js";

export function openToolSession(
  tools: ToolSubsystem,
  request: AcceptedRun,
  prepared: Prepared,
  recorder: Recorder,
  emit: (event: EventInput) => void,
): ToolSession {
  return tools.session({
    runId: request.runId,
    userId: request.userId,
    turnId: request.turnId,
    output: new TreeOutputFiles(() => Tree.open(prepared.out), prepared.owner),
    log: (line) => recorder.infra("tools", line),
    emit,
    clean: (value) => request.redaction.learn(value),
  });
}
