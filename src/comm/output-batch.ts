// Output on its way to the live stream: the first of it goes at once, what follows at close quarters goes together, by time and by size.
// Any other event first lets out what waits, so that their order is what it was.
import type { EventInput, OutputInput } from "../model/events.js";

const BATCH_MS = 20;
const BATCH_BYTES = 64 * 1024;

export class OutputBatch {
  readonly #emit: (event: EventInput) => void;
  #stream: OutputInput["stream"] = "stdout";
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
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
    // A large piece goes by itself: to put it together with another is to copy it.
    if (this.#stream !== event.stream || this.#waitingBytes + event.bytes.length > BATCH_BYTES) this.flush();
    this.#stream = event.stream;
    this.#waiting.push(event.bytes);
    this.#waitingBytes += event.bytes.length;
    const waitMs = this.#lastAt + BATCH_MS - performance.now();
    if (waitMs <= 0 || this.#waitingBytes >= BATCH_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), waitMs).unref();
  }

  /** Lets out what waits. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const [first, ...more] = this.#waiting;
    if (first === undefined) return;
    const bytes = more.length === 0 ? first : Buffer.concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#lastAt = performance.now();
    this.#emit({ type: "output", stream: this.#stream, bytes });
  }
}
