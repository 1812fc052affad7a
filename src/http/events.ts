// A run's events as a stream of server-sent events: each once, in order, at the pace of its reader, with a comment where there is silence.
import { toSse } from "../comm/wire.js";
import type { EventSource } from "../harness/past-events.js";
import type { RunEvent } from "../model/events.js";
import { within } from "../model/in-time.js";
import { shownResult } from "../model/result-text.js";
import { Counts } from "./counts.js";

const HEARTBEAT_MS = 15_000;
const MAX_READERS = 256;
/** A reader that takes nothing for so long is cut off. */
const STALL_MS = 60_000;
/** Of one run: nobody needs more, and one run must not take all. */
const MAX_READERS_OF_RUN = 32;
const MAX_READERS_OF_USER = 128;
const REFUSAL = "As many readers follow events as there may be.";

export class EventStreams {
  readonly stallMs: number;
  readonly #heartbeatMs: number;
  /** By id. */
  readonly #ofRun = new Counts<string>({ all: MAX_READERS, each: MAX_READERS_OF_RUN });
  readonly #ofUser = new Counts<string>({ all: MAX_READERS, each: MAX_READERS_OF_USER });

  constructor({ heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS }: { heartbeatMs?: number; stallMs?: number } = {}) {
    this.#heartbeatMs = heartbeatMs;
    this.stallMs = stallMs;
  }

  get readers(): number {
    return this.#ofRun.all;
  }

  /** What follows the event `after`, for a reader of this user's. Ends with the run; throws `too_busy`. */
  open(of: { user: string; runId: string }, source: EventSource, after: number): ReadableStream<Uint8Array> {
    const places = this.#take(of);
    const events = source.events({ fromSeq: after + 1 });
    let waiting: Promise<IteratorResult<RunEvent, undefined>> | null = null;
    let isOpen = true;
    const leave = () => {
      isOpen = false;
      for (const place of places) place[Symbol.dispose]();
    };
    const encoder = new TextEncoder();
    return new ReadableStream<Uint8Array>(
      {
        // The answer's head goes out with the first bytes, and a reader is to see that it is connected.
        start: (controller) => controller.enqueue(encoder.encode("retry: 1000\n\n")),
        // Called when the reader has room: a slow one holds up nobody, and is not held in memory.
        pull: async (controller) => {
          waiting ??= events.next();
          const next = await within(waiting, this.#heartbeatMs).catch((error) => {
            leave();
            throw error;
          });
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

  #take({ user, runId }: { user: string; runId: string }): Disposable[] {
    const ofUser = this.#ofUser.take(user, REFUSAL);
    try {
      return [ofUser, this.#ofRun.take(runId, REFUSAL)];
    } catch (error) {
      ofUser[Symbol.dispose]();
      throw error;
    }
  }
}

function shown(event: RunEvent): Pick<RunEvent, "seq" | "type"> {
  if (event.type !== "run.finished") return event;
  const finished = { ...event, result: shownResult(event.result) };
  return finished;
}
