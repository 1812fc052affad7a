// The output events of a stream that are still kept: the first ones and the newest ones, and what is known of those between.
// They are kept as bytes outside of the heap that is collected, and become text each time somebody reads them.
import { isAscii } from "node:buffer";
import type { OutputInput, RunEvent } from "../model/events.js";
import { ByteRing } from "./byte-ring.js";

type OutputEvent = Extract<RunEvent, { type: "output" }>;
type Numbered = OutputInput & Pick<RunEvent, "seq" | "at" | "runId">;
/** All of an event but its text. */
type Frame = Omit<OutputEvent, "text">;

/** What an event costs beside its bytes. */
const EVENT_BYTES = 400;

/** One of the newest. */
interface InRing {
  frame: Frame;
  start: number;
  length: number;
}

/** Output events that followed one another and are no longer kept. */
interface Gap {
  first: Frame;
  lastSeq: number;
  bytes: number;
}

export class OutputWindow {
  readonly #headMax: number;
  readonly #newestMax: number;
  readonly #head = new Map<number, Numbered>();
  /** In the order they came. */
  readonly #newest = new Map<number, InRing>();
  readonly #ring: ByteRing;
  /** The newest event where it alone is more than may be kept: whoever waits for it has not read it yet. */
  #outsize: Numbered | null = null;
  #headBytes = 0;
  #newestBytes = 0;
  /** In order of `seq`. There are at most as many as events of other types, and one. */
  readonly #gaps: Gap[] = [];

  constructor(headBytes: number, newestBytes: number) {
    this.#headMax = headBytes;
    this.#newestMax = newestBytes;
    this.#ring = new ByteRing(newestBytes);
  }

  /** What is held in memory for them: the ring is held as a whole. */
  get bytes(): number {
    return this.#headBytes + (this.#newest.size > 0 ? this.#newestMax : 0) + (this.#outsize?.bytes.length ?? 0);
  }

  add(event: Numbered): void {
    const cost = EVENT_BYTES + event.bytes.length;
    if (this.#newest.size === 0 && this.#outsize === null && this.#headBytes + cost <= this.#headMax) {
      this.#head.set(event.seq, { ...event, bytes: copyOf(event.bytes) });
      this.#headBytes += cost;
      return;
    }
    this.#makeRoom(cost);
    if (cost > this.#newestMax) {
      this.#outsize = event;
      return;
    }
    const { bytes, ...frame } = event;
    this.#newest.set(event.seq, { frame, start: this.#ring.put(bytes), length: bytes.length });
    this.#newestBytes += cost;
  }

  /** The event itself, or one that stands in its place. `seq` is one of an output event. */
  at(seq: number): OutputEvent {
    const kept = this.#head.get(seq) ?? (this.#outsize?.seq === seq ? this.#outsize : undefined);
    if (kept !== undefined) return asEvent(kept);
    const newest = this.#newest.get(seq);
    if (newest !== undefined) return withText(newest.frame, this.#ring.at(newest.start, newest.length));
    const gap = this.#gapOf(seq);
    const text =
      seq === gap.first.seq ? `… ${gap.bytes} bytes of output are no longer kept here; user.log has them …\n` : "";
    return { ...gap.first, seq, text };
  }

  #makeRoom(cost: number): void {
    if (this.#outsize !== null) {
      const { bytes, ...frame } = this.#outsize;
      this.#outsize = null;
      this.#forget(frame, bytes.length);
    }
    for (const [seq, { frame, length }] of this.#newest) {
      if (this.#newestBytes + cost <= this.#newestMax) break;
      this.#newest.delete(seq);
      this.#newestBytes -= EVENT_BYTES + length;
      this.#forget(frame, length);
    }
  }

  #forget(frame: Frame, bytes: number): void {
    const last = this.#gaps.at(-1);
    if (last !== undefined && last.lastSeq === frame.seq - 1) {
      last.lastSeq = frame.seq;
      last.bytes += bytes;
    } else {
      this.#gaps.push({ first: frame, lastSeq: frame.seq, bytes });
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

export function asEvent({ bytes, ...frame }: Numbered): OutputEvent {
  return withText(frame, bytes);
}

function withText(frame: Frame, bytes: Buffer): OutputEvent {
  // What is ASCII becomes text at ten times the speed.
  return Object.freeze({ ...frame, text: bytes.toString(isAscii(bytes) ? "latin1" : "utf8") });
}

/** Of their own, as they may be a small piece of a large buffer. */
function copyOf(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
