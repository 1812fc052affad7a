// The events of a run under way, as far as they are on disk: of one that dies with its process it is what there is.
import type { EventBus } from "../comm/event-bus.js";
import type { RunFiles, RunRecord } from "../records/run-files.js";
import { EventLines } from "./past-events.js";

export class ToldEvents {
  readonly #files: RunFiles;
  readonly #record: RunRecord;
  readonly #events: EventBus;
  readonly #lines = new EventLines();
  #lastSeq = 0;

  constructor(files: RunFiles, record: RunRecord, events: EventBus) {
    this.#files = files;
    this.#record = record;
    this.#events = events;
  }

  /** Adds what came since the last time, but of a run that has ended: all of that is written anyway. False where there is nothing. */
  write(): boolean {
    if (this.#events.closed || this.#events.lastSeq === this.#lastSeq) return false;
    const lines: string[] = [];
    for (const event of this.#events.past(this.#lastSeq + 1)) lines.push(this.#lines.of(event));
    lines.push(this.#lines.end());
    this.#lastSeq = this.#events.lastSeq;
    this.#files.addEvents(this.#record.userId, this.#record.runId, lines.join(""));
    return true;
  }
}
