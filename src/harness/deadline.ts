// A deadline that can stand still, on the monotonic clock: time spent waiting for a tool is not the program's, and time in which
// it computes beside the call is.

export class Deadline {
  readonly #onPassed: () => void;
  #remainingMs: number;
  #startedAt: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Since the last word of how long the program computed: when that was, and how long the clock has run. */
  #toldAt: number | null = null;
  #ranMs = 0;

  constructor(timeoutMs: number, onPassed: () => void) {
    this.#onPassed = onPassed;
    this.#remainingMs = timeoutMs;
  }

  /** Starts, or goes on after a pause. */
  run(): void {
    if (this.#timer || this.#isOver() || this.#pass()) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(() => this.#end(), this.#remainingMs);
  }

  /** True for the first time, from when on `computed` is to be called. */
  pause(): boolean {
    this.#halt();
    const first = this.#toldAt === null;
    this.#toldAt ??= performance.now();
    this.#pass();
    return first;
  }

  /**
   * The program computed for so long since the last call, or since the first pause. What the clock ran meanwhile pays for it
   * first, so that a program that computes and waits in turns pays for nothing twice; no more is charged than has passed.
   */
  computed(busyMs: number): void {
    if (this.#toldAt === null || this.#isOver()) return;
    const wasRunning = this.#timer !== null;
    this.#halt();
    const now = performance.now();
    const stoodStillMs = Math.max(0, now - this.#toldAt - this.#ranMs);
    this.#remainingMs -= Math.min(stoodStillMs, Math.max(0, busyMs - this.#ranMs));
    this.#toldAt = now;
    this.#ranMs = 0;
    if (!this.#pass() && wasRunning) this.run();
  }

  cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#remainingMs = Number.POSITIVE_INFINITY;
  }

  /** At once where nothing is left: pauses in quick turns would put a timer off for ever. */
  #pass(): boolean {
    if (this.#remainingMs > 0) return false;
    this.#end();
    return true;
  }

  #end(): void {
    this.cancel();
    this.#onPassed();
  }

  /** Passed or cancelled. */
  #isOver(): boolean {
    return this.#remainingMs === Number.POSITIVE_INFINITY;
  }

  #halt(): void {
    if (!this.#timer || this.#startedAt === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    const ranMs = performance.now() - this.#startedAt;
    this.#remainingMs = Math.max(0, this.#remainingMs - ranMs);
    if (this.#toldAt !== null) this.#ranMs += ranMs;
  }
}
