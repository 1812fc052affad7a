// Events as text on a wire: one JSON line each (NDJSON), or one server-sent event each.
import type { RunEvent } from "../model/events.js";

/** JSON of an event holds no line break, whatever its texts hold. */
export function toNdjson(event: RunEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/** `id` is the event's `seq`: a reader that comes back says it as Last-Event-ID and goes on from the next. */
export function toSse(event: Pick<RunEvent, "seq" | "type">, id = event.seq): string {
  return `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
