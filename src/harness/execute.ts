// Execute: one job in one booted sandbox, from the first byte to the last. It owns the deadline, the stop and what the program
// said meanwhile; what that means is the verdict's to say.
import type { HostStop, ProgramException } from "../model/ending.js";
import type { EventInput } from "../model/events.js";
import type { Limits } from "../model/limits.js";
import { step } from "../model/steps.js";
import type { ToolCall } from "../model/tools.js";
import type { Sandbox } from "../sandbox/backend.js";
import { openChannel } from "../sandbox/protocol/channel.js";
import type { Exit, Job, ProgramMessage } from "../sandbox/protocol/frames.js";
import type { ToolSession } from "../tools/session.js";
import { Deadline } from "./deadline.js";
import { type Grown, watchDisk } from "./disk-watch.js";
import type { Recorder } from "./recorder.js";

/** From the job to user code; a sandbox that needs longer is ours to blame. */
const START_TIMEOUT_MS = 60_000;
/** Time a program gets between SIGTERM and SIGKILL: enough to flush, too short to matter. */
const GRACE_MS = 300;
/** Beyond the grace, how long the supervisor may take to drain and report before the sandbox is destroyed. */
const REPORT_TIMEOUT_MS = 3_000;
const MAX_TRACE_BYTES = 256 * 1024;

export interface Execution {
  hostStop: HostStop | null;
  /** How the supervisor says the program ended; null when it vanished. */
  exit: Exit | null;
  exception: ProgramException | null;
  /** Raw stack dump of a timed-out program. */
  trace: string;
  /** Set when the runner or its channel failed. */
  lost: string | null;
  begun: boolean;
  runMs: number;
}

export interface ExecuteOptions {
  sandbox: Sandbox;
  job: Job;
  limits: Limits;
  timeoutMs: number;
  signal: AbortSignal;
  tools: ToolSession;
  recorder: Recorder;
  emit(event: EventInput): void;
  /** Folder whose growth is bounded, and what it held before; null where the host cannot see it. */
  disk: { dir: string; before: Grown } | null;
}

export function execute(options: ExecuteOptions): Promise<Execution> {
  const { sandbox, job, limits, timeoutMs, signal, tools, recorder } = options;
  const state: Execution = {
    hostStop: null,
    exit: null,
    exception: null,
    trace: "",
    lost: null,
    begun: false,
    runMs: 0,
  };
  let outputBytes = 0;
  let begunAt = performance.now();

  return new Promise((resolve) => {
    const timers = new Set<NodeJS.Timeout>();
    const after = (ms: number, act: () => void) => timers.add(setTimeout(act, ms));
    const deadline = new Deadline(timeoutMs, () => stop({ reason: "timeout" }));
    let unwatch = () => {};

    const channel = openChannel(sandbox.channel, {
      begun() {
        step("run.begun");
        state.begun = true;
        begunAt = performance.now();
        clearTimeout(starting);
        if (!state.hostStop) deadline.run();
      },
      output(stream, bytes) {
        outputBytes += bytes.length;
        recorder.output(stream, bytes);
        if (outputBytes > limits.output) {
          const message = `The program wrote more than ${limits.output} bytes of output.`;
          stop({ reason: "limit", limit: "output", message });
        }
      },
      programMessage: (message) => onMessage(message),
      badProgramMessage: (reason) => recorder.infra("runner", `a message of the program was refused: ${reason}`),
      trace(bytes) {
        if (state.trace.length < MAX_TRACE_BYTES) state.trace += bytes.toString("latin1");
      },
      busy(busyMs) {
        // With a share of a processor only, computing all the time shows as that share.
        deadline.computed(busyMs / Math.min(1, limits.cpus));
      },
      problem({ stage, message }) {
        recorder.infra("runner", `${stage}: ${message}`);
        // Before user code began, a problem is ours and not the program's.
        if (!state.begun) state.lost ??= `${stage}: ${message}`;
      },
      exit(exit) {
        step("run.exit");
        state.exit = exit;
        // This process may have looked up late: what had ended by then was neither out of time nor cancelled.
        if (!exit.stopped && state.hostStop?.reason !== "limit") state.hostStop = null;
        finish();
      },
      closed(error) {
        if (!state.exit) state.lost ??= error?.message ?? "its channel closed before the program's end was told";
        finish();
      },
    });

    const starting = setTimeout(() => {
      state.lost = `user code did not start within ${START_TIMEOUT_MS / 1000} s`;
      finish();
    }, START_TIMEOUT_MS);
    timers.add(starting);

    function stop(reason: HostStop): void {
      if (state.hostStop || state.exit || finished) return;
      state.hostStop = reason;
      deadline.cancel();
      tools.cancel(reason.reason);
      sandbox.hasten?.();
      channel.sendStop({ reason: reason.reason, trace: reason.reason === "timeout", graceMs: GRACE_MS });
      after(GRACE_MS + REPORT_TIMEOUT_MS, finish);
    }

    function onMessage(message: ProgramMessage): void {
      if (message.t === "exception") {
        const { type, message: text, traceback, errno } = message;
        state.exception = { type, message: text, traceback, ...(errno !== null && { errno }) };
      } else if (message.t === "warning") {
        const where = message.line === null ? "" : ` (line ${message.line})`;
        recorder.infra("tools", `${message.message}${where}`);
      } else if (message.t === "cancel") {
        tools.giveUp(message.id);
      } else {
        void answer({ id: message.id, toolId: message.tool_id, params: message.params, reason: message.reason });
      }
    }

    async function answer(call: ToolCall): Promise<void> {
      const reply = await tools.call(call);
      if (finished) return;
      const refusal = channel.sendAnswer(reply);
      if (refusal !== null) recorder.infra("tools", `${call.toolId}: ${refusal}`);
    }

    const unsubscribe = tools.onPending((pending) => {
      if (!state.begun || state.hostStop) return;
      if (pending === 0) deadline.run();
      else if (deadline.pause()) channel.sendWatch();
    });

    let finished = false;
    function finish(): void {
      if (finished) return;
      finished = true;
      state.runMs = state.begun ? performance.now() - begunAt : 0;
      deadline.cancel();
      for (const timer of timers) clearTimeout(timer);
      unwatch();
      unsubscribe();
      tools.cancel("the program has ended");
      signal.removeEventListener("abort", onAbort);
      channel.close();
      resolve(state);
    }

    const onAbort = () => stop({ reason: "cancelled" });
    signal.addEventListener("abort", onAbort, { once: true });
    if (options.disk) {
      const watched = { ...options.disk, nameless: async () => (await sandbox.namelessBytes?.()) ?? 0 };
      unwatch = watchDisk(watched, limits, (found) => stop({ reason: "limit", ...found }));
    }
    void sandbox.ended.then(() => {
      if (finished) return;
      // The channel's own end tells first where it can; this catches an engine that died with its streams held open.
      after(1_000, function lose() {
        if (channel.hasUnheard) {
          after(100, lose);
          return;
        }
        state.lost ??= "the sandbox engine ended";
        finish();
      });
    });
    try {
      channel.sendJob(job);
      step("run.job");
    } catch (error) {
      state.lost ??= `the job could not be sent: ${error instanceof Error ? error.message : String(error)}`;
      finish();
    }
    if (signal.aborted) onAbort();
  });
}
