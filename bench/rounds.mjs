// All sides of a benchmark take turns in one process, so that a noisy moment meets all of them.
import { setTimeout as sleep } from "node:timers/promises";

const SETTLE_MS = 200;

/** Of all runtimes: one that still replaces a sandbox would be measured with its neighbour's next run. One that said hello still loads modules for a moment. */
export async function settled(runtimes) {
  await Promise.all(runtimes.map((runtime) => runtime.warm()));
  await sleep(SETTLE_MS);
}

/** `{ name, p10, p50, p95 }` for each side, in milliseconds. A side has `run`, and `check` where its result may be another one than it is to measure. */
export async function takeTurns(sides, rounds, settle) {
  const times = new Map(sides.map((side) => [side, []]));
  for (let round = -2; round < rounds; round += 1) {
    // Each goes first as often as any other.
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      await settle();
      const startedAt = performance.now();
      try {
        const result = await side.run();
        if (side.check?.(result) === false) throw new Error("it was not what it is to measure");
      } catch (error) {
        console.log(`${side.name}: a round is left out, ${error.message.split("\n")[0]}`);
        continue;
      }
      if (round >= 0) times.get(side).push(performance.now() - startedAt);
    }
  }
  return sides.map((side) => {
    const sorted = times.get(side).sort((a, b) => a - b);
    return { name: side.name, p10: quantile(sorted, 0.1), p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
  });
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
