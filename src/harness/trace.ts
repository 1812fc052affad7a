// A run as a trace (OpenTelemetry): one span, and below it one for each step of how a run works. Without an SDK in the process nobody hears of
// it, and nothing is made.
import { type Context, context, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import type { RunResult } from "../model/result.js";
import type { AcceptedRun } from "./accept.js";

export type Phase =
  | "accept"
  | "lock"
  | "bootstrap"
  | "acquire"
  | "execute"
  | "stop"
  | "judge"
  | "sync"
  | "diagnose"
  | "report";

const tracer = trace.getTracer("iso-runtime");

export class RunTrace {
  readonly #span: Span;
  readonly #inside: Context;
  /** What was 0 on the clock of performance.now by the clock on the wall, as both were when the run began. */
  readonly #origin: number;

  private constructor(span: Span, outside: Context, origin: number) {
    this.#span = span;
    this.#inside = trace.setSpan(outside, span);
    this.#origin = origin;
  }

  /** Null where nobody listens. Below the span that is active where it is called; `startedAt` is on the clock of performance.now. */
  static begin({ runId, userId, mode, profile, scenario }: AcceptedRun, startedAt: number): RunTrace | null {
    const outside = context.active();
    const now = performance.now();
    const origin = Date.now() - now;
    const attributes = {
      ...{ "iso_runtime.run.id": runId, "iso_runtime.run.mode": mode, "iso_runtime.profile": profile.name },
      ...{ "enduser.id": userId, ...(scenario && { "iso_runtime.scenario": scenario.id }) },
    };
    const span = tracer.startSpan("iso_runtime.run", { startTime: origin + startedAt, attributes }, outside);
    if (!span.isRecording()) return null;
    const begun = new RunTrace(span, outside, origin);
    begun.phase("accept", startedAt, now);
    return begun;
  }

  /** A step that is over, however it ended: as a whole, so that one which waits holds nothing. */
  phase(name: Phase, startedAt: number, endedAt: number): void {
    const span = tracer.startSpan(`iso_runtime.${name}`, { startTime: this.#origin + startedAt }, this.#inside);
    span.end(this.#origin + endedAt);
  }

  end({ status, error, sandbox }: RunResult): void {
    this.#span.setAttributes({
      ...{ "iso_runtime.run.status": status, ...(error && { "iso_runtime.error.code": error.code }) },
      ...(sandbox && { "iso_runtime.backend": sandbox.backend, "iso_runtime.warm": sandbox.warm }),
    });
    // The program's message is the program's: it may hold anything.
    if (error !== null) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: error.code });
    this.#span.end(this.#origin + performance.now());
  }
}

/** Times a step that the result has no figure of. */
export async function phase<T>(trace: RunTrace | null, name: Phase, work: () => Promise<T> | T): Promise<T> {
  if (trace === null) return await work();
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    trace.phase(name, startedAt, performance.now());
  }
}
