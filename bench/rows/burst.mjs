// A hundred runs at once, each of a user of its own: how long the last ones wait.
import { ms } from "../context.mjs";
import { quantile, ratio } from "../figures.mjs";

const AT_ONCE = 100;

export default {
  title: "a burst of 100 runs at once, of one warm run",
  rounds: 4,
  async measure(context) {
    const { request, settled } = await context.runtime();
    const timed = async (userId) => {
      const startedAt = performance.now();
      await request({ userId, ...context.change() });
      return performance.now() - startedAt;
    };
    const [warm, slowest] = [[], []];
    for (let round = -1; round < context.rounds; round += 1) {
      for (let count = 0; count < 5; count += 1) {
        await settled();
        warm.push(await timed("alone"));
      }
      await settled();
      const all = await Promise.all(Array.from({ length: AT_ONCE }, (_, user) => timed(`user-${user}`)));
      if (round >= 0)
        slowest.push(
          quantile(
            all.sort((a, b) => a - b),
            0.99,
          ),
        );
    }
    const [one, last] = [warm, slowest].map((samples) =>
      quantile(
        samples.toSorted((a, b) => a - b),
        0.5,
      ),
    );
    return {
      figures: [ratio("p99 of warm p50", slowest, warm, { most: 100 })],
      detail: [`warm p50 ${ms(one)}`, `burst p99 ${ms(last)}, the median of ${context.rounds} bursts`],
    };
  },
};
