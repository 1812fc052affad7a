// Output on its way to the live stream: the first of it goes at once, what follows at close quarters goes together, by time and by size.
// Any other event first lets out what waits, so that their order is what it was.
import type { EventInput } from "../model/events.js";

type Output = Extract<EventInput, { type: "output" }>;

const BATCH_MS = 20;
const BATCH_CHARS = 64 * 1024;

export class OutputBatch {
  readonly #emit: (event: EventInput) => void;
  #waiting: Output | null = null;
  #timer: NodeJS.Timeout | null = null;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(emit: (event: EventInput) => void) {
    this.#emit = emit;
  }

  emit(event: EventInput): void {
    if (event.type !== "output") {
      this.flush();
      this.#emit(event);
      return;
    }
    if (this.#waiting !== null && this.#waiting.stream !== event.stream) this.flush();
    this.#waiting = this.#waiting === null ? event : { ...event, text: this.#waiting.text + event.text };
    const waitMs = this.#lastAt + BATCH_MS - performance.now();
    if (waitMs <= 0 || this.#waiting.text.length >= BATCH_CHARS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), waitMs).unref();
  }

  /** Lets out what waits. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const event = this.#waiting;
    if (event === null) return;
    this.#waiting = null;
    this.#lastAt = performance.now();
    this.#emit(event);
  }
}
