// The live stream of one run: numbers its events without gaps, hands them to readers in order, keeps them for readers that come
// later, and ends with `run.finished`.
//
// Memory is bounded without holding up the program: all events are kept but output, of which the first and the newest stay. A reader
// that keeps up gets every word. One that comes late or reads slowly gets, in the place of output that is no longer kept, as many
// output events as there were (so that no number is missing), the first of them saying how much is left out.
import { IsoError } from "../model/errors.js";
import type { EventInput, RunEvent } from "../model/events.js";
import { asEvent, OutputWindow } from "./output-window.js";

const HEAD_BYTES = 512 * 1024;
const NEWEST_BYTES = 2 * 1024 * 1024;

export interface EventBusOptions {
  now?: () => Date;
  /** False where nobody will read or subscribe, so that output need not be made text; default true. */
  isLive?: boolean;
  /** Bytes of output kept for replay: the first ones, and the newest ones. */
  headBytes?: number;
  newestBytes?: number;
  /** Told what a subscriber threw. A subscriber never breaks the run, nor another one. */
  onSubscriberError?: (error: unknown) => void;
}

export interface ReaderOptions {
  /** First event wanted; default 1. */
  fromSeq?: number;
  /** Called when the reader leaves before it got the last event. */
  onReaderLeft?: () => void;
}

export class EventBus {
  readonly isLive: boolean;
  readonly #now: () => Date;
  readonly #onSubscriberError: (error: unknown) => void;
  readonly #subscribers = new Set<(event: RunEvent) => void>();
  readonly #wakers = new Set<() => void>();
  readonly #kept = new Map<number, RunEvent>();
  readonly #output: OutputWindow;
  /** Events numbered but not yet handed to subscribers: a subscriber may itself emit. */
  readonly #toHand: (() => RunEvent)[] = [];
  #handing = false;
  #runId: string | null = null;
  #lastSeq = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #lastAt = "";
  #closed = false;

  constructor(options: EventBusOptions = {}) {
    this.isLive = options.isLive ?? true;
    this.#now = options.now ?? (() => new Date());
    this.#onSubscriberError = options.onSubscriberError ?? (() => undefined);
    this.#output = new OutputWindow(options.headBytes ?? HEAD_BYTES, options.newestBytes ?? NEWEST_BYTES);
  }

  /** Names the run; done before the first event. Naming it again the same way is fine. */
  open(runId: string): void {
    if (this.#runId !== null && this.#runId !== runId) {
      throw new IsoError("internal", `the event stream of run ${this.#runId} was opened for run ${runId}`);
    }
    this.#runId = runId;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** What the output kept for replay costs. */
  get outputBytes(): number {
    return this.#output.bytes;
  }

  /** What has been said but for output, in order. */
  notable(): Iterable<RunEvent> {
    return this.#kept.values();
  }

  /** What a reader would get that comes now, at once. */
  *past(fromSeq = 1): Generator<RunEvent> {
    for (let seq = fromSeq; seq <= this.#lastSeq; seq += 1) yield this.#at(seq);
  }

  /** True after `run.finished`, or after `close`. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Numbers an event, hands it on and says its number. Null, and nothing happens, once the stream has ended. */
  emit(input: EventInput): number | null {
    if (this.#closed) return null;
    if (this.#runId === null) throw new IsoError("internal", "an event was emitted before its run had an id");
    // A clock that is set back must not make an event older than the one before it.
    const nowMs = this.#now().getTime();
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#lastAt = new Date(nowMs).toISOString();
    }
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    const numbered = { seq, at: this.#lastAt, runId: this.#runId, ...input };
    if (numbered.type === "output") {
      this.#output.add(numbered);
      this.#toHand.push(() => asEvent(numbered));
    } else {
      const event = Object.freeze(numbered);
      this.#kept.set(seq, event);
      this.#toHand.push(() => event);
    }
    if (input.type === "run.finished") this.#closed = true;
    this.#hand();
    this.#wake();
    return seq;
  }

  /** Ends the stream where there can be no `run.finished`; readers end after what there is. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Calls back with every event from now on, at once. Returns how to stop that. */
  subscribe(subscriber: (event: RunEvent) => void): () => void {
    // Of one's own, so that the same function may be subscribed twice.
    const own = (event: RunEvent) => subscriber(event);
    this.#subscribers.add(own);
    return () => this.#subscribers.delete(own);
  }

  /** Events from `fromSeq` on, past ones first, up to the end of the stream. */
  events(options: ReaderOptions = {}): AsyncIterableIterator<RunEvent, undefined, undefined> {
    return new Reader(this.#source, options);
  }

  readonly #source: Source = {
    read: (seq) => (seq > this.#lastSeq ? null : this.#at(seq)),
    ended: (seq) => this.#closed && seq > this.#lastSeq,
    wait: (wake) => this.#wakers.add(wake),
    forget: (wake) => this.#wakers.delete(wake),
  };

  #at(seq: number): RunEvent {
    return this.#kept.get(seq) ?? this.#output.at(seq);
  }

  #wake(): void {
    const wakers = [...this.#wakers];
    this.#wakers.clear();
    for (const wake of wakers) wake();
  }

  #hand(): void {
    if (this.#handing) return;
    this.#handing = true;
    for (let make = this.#toHand.shift(); make !== undefined; make = this.#toHand.shift()) {
      if (this.#subscribers.size === 0) continue;
      const event = make();
      for (const subscriber of [...this.#subscribers]) {
        try {
          subscriber(event);
        } catch (error) {
          this.#onSubscriberError(error);
        }
      }
    }
    this.#handing = false;
  }
}

interface Source {
  read(seq: number): RunEvent | null;
  ended(seq: number): boolean;
  /** Calls back once, when there may be more. */
  wait(wake: () => void): void;
  forget(wake: () => void): void;
}

class Reader implements AsyncIterableIterator<RunEvent, undefined, undefined> {
  readonly #source: Source;
  readonly #onReaderLeft: () => void;
  #seq: number;
  #done = false;
  #wake: () => void = () => undefined;
  /** Calls of `next` are answered in their order. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(source: Source, options: ReaderOptions) {
    this.#source = source;
    this.#onReaderLeft = options.onReaderLeft ?? (() => undefined);
    this.#seq = Math.max(1, Math.floor(options.fromSeq ?? 1));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<RunEvent, undefined>> {
    const answer = this.#turn.then(() => this.#read());
    this.#turn = answer;
    return answer;
  }

  return(): Promise<IteratorResult<RunEvent, undefined>> {
    if (!this.#done) {
      this.#done = true;
      this.#source.forget(this.#wake);
      this.#wake();
      if (!this.#source.ended(this.#seq)) this.#onReaderLeft();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  async #read(): Promise<IteratorResult<RunEvent, undefined>> {
    while (!this.#done) {
      const event = this.#source.read(this.#seq);
      if (event !== null) {
        this.#seq += 1;
        return { done: false, value: event };
      }
      if (this.#source.ended(this.#seq)) this.#done = true;
      else await this.#more();
    }
    return { done: true, value: undefined };
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#source.wait(resolve);
    });
  }
}
