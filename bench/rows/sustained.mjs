// Runs without a pause, four at a time and each of a user of its own, beside bare interpreters, as many at once.
import { inParallel } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

const AT_ONCE = 4;
/** Not counted: sandboxes that were booted while nothing ran are gone by then. */
const AHEAD = 12;
const COUNTED = 60;

export default {
  title: "sustained, 4 at a time, each its own user: runs/s, of bare `python3 -I -c pass` runs/s",
  rounds: 10,
  async measure(context) {
    const { request, settled } = await context.runtime({ warm: AT_ONCE });
    const rate = (run) => async () => {
      await inParallel(AT_ONCE, AHEAD, run);
      const startedAt = performance.now();
      await inParallel(AT_ONCE, COUNTED, run);
      return COUNTED / ((performance.now() - startedAt) / 1000);
    };
    const [bare, library] = await takeTurns(
      [
        { name: "bare", run: rate(context.bare) },
        { name: "library", run: rate((worker) => request({ userId: `user-${worker}`, ...context.change() })) },
      ],
      context.rounds,
      settled,
      1,
    );
    return {
      figures: [ratio("runs/s", library.samples, bare.samples, { least: 1.2 })],
      detail: [`bare ${bare.p50.toFixed(0)} runs/s`, `library ${library.p50.toFixed(0)} runs/s`],
    };
  },
};
