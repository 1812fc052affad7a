// A run's events as a stream of server-sent events: each once, in order, at the pace of its reader, with a comment where there is silence.

import { toSse } from "../comm/wire.js";
import type { EventSource } from "../harness/past-events.js";
import { IsoError } from "../model/errors.js";
import type { RunEvent } from "../model/events.js";
import { within } from "../model/in-time.js";
import { shownResult } from "./schemas/result.js";

const HEARTBEAT_MS = 15_000;
const MAX_READERS = 256;
/** A reader that takes nothing for so long is cut off. */
const STALL_MS = 60_000;
/** Of one run: nobody needs more, and one run must not take all. */
const MAX_READERS_OF_RUN = 32;

export class EventStreams {
  readonly stallMs: number;
  readonly #heartbeatMs: number;
  /** By run. */
  readonly #readers = new Map<string, number>();
  #total = 0;

  constructor({ heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS }: { heartbeatMs?: number; stallMs?: number } = {}) {
    this.#heartbeatMs = heartbeatMs;
    this.stallMs = stallMs;
  }

  get readers(): number {
    return this.#total;
  }

  /** What follows the event `after`. Ends with the run; throws `too_busy`. */
  open(source: EventSource, after: number, runId: string): ReadableStream<Uint8Array> {
    const ofRun = this.#readers.get(runId) ?? 0;
    if (this.#total >= MAX_READERS || ofRun >= MAX_READERS_OF_RUN) {
      throw new IsoError("too_busy", "As many readers follow events as there may be.");
    }
    this.#readers.set(runId, ofRun + 1);
    this.#total += 1;
    const events = source.events({ fromSeq: after + 1 });
    let waiting: Promise<IteratorResult<RunEvent, undefined>> | null = null;
    let isOpen = true;
    const leave = () => {
      if (!isOpen) return;
      isOpen = false;
      this.#total -= 1;
      const rest = (this.#readers.get(runId) ?? 1) - 1;
      if (rest === 0) this.#readers.delete(runId);
      else this.#readers.set(runId, rest);
    };
    const encoder = new TextEncoder();
    return new ReadableStream<Uint8Array>(
      {
        // The answer's head goes out with the first bytes, and a reader is to see that it is connected.
        start: (controller) => controller.enqueue(encoder.encode("retry: 1000\n\n")),
        // Called when the reader has room: a slow one holds up nobody, and is not held in memory.
        pull: async (controller) => {
          waiting ??= events.next();
          const next = await within(waiting, this.#heartbeatMs);
          if (!isOpen) return;
          if (next === null) return controller.enqueue(encoder.encode(": still here\n\n"));
          waiting = null;
          const event = next.value.value;
          if (event !== undefined) return controller.enqueue(encoder.encode(toSse(shown(event), source.idOf?.(event))));
          leave();
          controller.close();
        },
        cancel: () => {
          leave();
          void events.return?.();
        },
      },
      { highWaterMark: 0 },
    );
  }
}

function shown(event: RunEvent): Pick<RunEvent, "seq" | "type"> {
  if (event.type !== "run.finished") return event;
  const finished = { ...event, result: shownResult(event.result) };
  return finished;
}
