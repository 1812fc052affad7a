// The output events of a stream that are still kept: the first ones and the newest ones, and what is known of those between.
import type { RunEvent } from "../model/events.js";

type OutputEvent = Extract<RunEvent, { type: "output" }>;

/** What an event costs beside its text. */
const EVENT_BYTES = 200;

/** Output events that followed one another and are no longer kept. */
interface Gap {
  first: OutputEvent;
  lastSeq: number;
  bytes: number;
}

export class OutputWindow {
  readonly #headMax: number;
  readonly #newestMax: number;
  readonly #head = new Map<number, OutputEvent>();
  /** In the order they came. */
  readonly #newest = new Map<number, OutputEvent>();
  #headBytes = 0;
  #newestBytes = 0;
  /** In order of `seq`. There are at most as many as events of other types, and one. */
  readonly #gaps: Gap[] = [];

  constructor(headBytes: number, newestBytes: number) {
    this.#headMax = headBytes;
    this.#newestMax = newestBytes;
  }

  add(event: OutputEvent): void {
    const cost = costOf(event);
    if (this.#newest.size === 0 && this.#headBytes + cost <= this.#headMax) {
      this.#head.set(event.seq, event);
      this.#headBytes += cost;
      return;
    }
    this.#newest.set(event.seq, event);
    this.#newestBytes += cost;
    for (const [seq, old] of this.#newest) {
      // The newest one always stays: whoever waits for it has not read it yet.
      if (this.#newestBytes <= this.#newestMax || seq === event.seq) break;
      this.#newest.delete(seq);
      this.#newestBytes -= costOf(old);
      this.#forget(old);
    }
  }

  /** The event itself, or one that stands in its place. `seq` is one of an output event. */
  at(seq: number): OutputEvent {
    const kept = this.#head.get(seq) ?? this.#newest.get(seq);
    if (kept !== undefined) return kept;
    const gap = this.#gapOf(seq);
    const text =
      seq === gap.first.seq ? `… ${gap.bytes} bytes of output are no longer kept here; user.log has them …\n` : "";
    return { ...gap.first, seq, text };
  }

  #forget(event: OutputEvent): void {
    const bytes = Buffer.byteLength(event.text);
    const last = this.#gaps.at(-1);
    if (last !== undefined && last.lastSeq === event.seq - 1) {
      last.lastSeq = event.seq;
      last.bytes += bytes;
    } else {
      this.#gaps.push({ first: { ...event, text: "" }, lastSeq: event.seq, bytes });
    }
  }

  #gapOf(seq: number): Gap {
    let low = 0;
    let high = this.#gaps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#gaps[middle]?.lastSeq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    const gap = this.#gaps[low];
    if (gap === undefined || seq < gap.first.seq) throw new RangeError(`there is no event ${seq}`);
    return gap;
  }
}

function costOf(event: OutputEvent): number {
  return EVENT_BYTES + event.text.length * 2;
}
