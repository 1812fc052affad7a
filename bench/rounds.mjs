// All sides of a benchmark take turns in one process, so that a noisy moment meets all of them.
import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "./figures.mjs";

const SETTLE_MS = 200;
const WARM_UP_ROUNDS = 2;

/** Of all runtimes: one that still replaces a sandbox would be measured with its neighbour's next run. One that said hello still loads modules for a moment. */
export async function settled(runtimes) {
  await Promise.all(runtimes.map((runtime) => runtime.warm()));
  await sleep(SETTLE_MS);
}

/**
 * `{ name, samples, p10, p50, p95 }` for each side; the samples are sorted, in milliseconds. A side has `run`, which may give a number to be
 * taken instead of its time, and `check` where its result may be another one than it is to measure.
 */
export async function takeTurns(sides, rounds, settle = () => {}, warmUpRounds = WARM_UP_ROUNDS) {
  const samples = new Map(sides.map((side) => [side, []]));
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    // Each goes first as often as any other.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await settle();
      const startedAt = performance.now();
      let found;
      try {
        const result = await side.run();
        found = typeof result === "number" ? result : performance.now() - startedAt;
        if (side.check?.(result) === false) throw new Error("it was not what it is to measure");
      } catch (error) {
        console.log(`${side.name}: a round is left out, ${error.message.split("\n")[0]}`);
        continue;
      }
      if (round >= 0) samples.get(side).push(found);
    }
  }
  return sides.map(({ name }, index) => {
    const sorted = samples.get(sides[index]).sort((a, b) => a - b);
    if (sorted.length === 0) throw new Error(`${name}: no round succeeded`);
    const [p10, p50, p95] = [0.1, 0.5, 0.95].map((share) => quantile(sorted, share));
    return { name, samples: sorted, p10, p50, p95 };
  });
}
