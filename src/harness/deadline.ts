// A deadline that can stand still, on the monotonic clock: time spent waiting for a tool is not the program's.

export class Deadline {
  readonly #onPassed: () => void;
  #remainingMs: number;
  #startedAt: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(timeoutMs: number, onPassed: () => void) {
    this.#remainingMs = timeoutMs;
    this.#onPassed = onPassed;
  }

  /** Starts, or goes on after a pause. */
  run(): void {
    if (this.#timer) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(this.#onPassed, this.#remainingMs);
  }

  pause(): void {
    if (!this.#timer || this.#startedAt === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#remainingMs = Math.max(0, this.#remainingMs - (performance.now() - this.#startedAt));
  }

  cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#remainingMs = Number.POSITIVE_INFINITY;
  }
}
