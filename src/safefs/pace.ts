// Long synchronous work in slices: file calls are made synchronously because each takes microseconds, and the event loop
// gets its turn every few milliseconds.
import { setImmediate } from "node:timers/promises";

const SLICE_MS = 4;

/** A function to await between steps: it returns at once within a slice, and lets the event loop run after one. */
export function pacer(): () => Promise<void> | undefined {
  let sliceEnd = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < sliceEnd) return undefined;
    return setImmediate().then(() => {
      sliceEnd = performance.now() + SLICE_MS;
    });
  };
}
