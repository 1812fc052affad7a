// Time between two tries.

const FIRST_MS = 250;
const LAST_MS = 15_000;

/** Twice as long each time, and never quite the same. */
export function backoffMs(failures: number): number {
  return Math.min(FIRST_MS * 2 ** failures, LAST_MS) * (1 - Math.random() / 4);
}

/** Throws what `signal` is aborted with, at once. */
export function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
