// A run belongs to the trace that its request came with (W3C Trace Context), where the process has an SDK that reads it.
import { context, propagation, trace } from "@opentelemetry/api";
import type { Context } from "hono";

/** Calls `work` as a part of the caller's trace. */
export function inTraceOf<T>({ req }: Context, work: () => T): T {
  const traceparent = req.header("traceparent");
  // Where somebody traces the server's requests themselves, their span is the caller's child and the run's parent.
  if (traceparent === undefined || trace.getActiveSpan() !== undefined) return work();
  const carrier = { traceparent, tracestate: req.header("tracestate") };
  return context.with(propagation.extract(context.active(), carrier), work);
}
