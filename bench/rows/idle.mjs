// The first run after nothing happened for a while, beside warm runs just before.
import { setTimeout as sleep } from "node:timers/promises";
import { ms } from "../context.mjs";
import { quantile, ratio } from "../figures.mjs";

/** Many short pauses, or few long ones. */
const MOST_ROUNDS = 5;
const ALL_SECONDS = 600;

export default {
  title: "the first run after a pause, of a warm run",
  size: ["idleSeconds"],
  async measure(context) {
    const { request, settled } = await context.runtime();
    const seconds = context.flags.idleSeconds;
    const rounds = Math.max(1, Math.min(MOST_ROUNDS, Math.floor(ALL_SECONDS / seconds)));
    const timed = async () => {
      const startedAt = performance.now();
      await request(context.change());
      return performance.now() - startedAt;
    };
    const [warm, first] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      for (let count = 0; count < 10; count += 1) {
        await settled();
        const time = await timed();
        // The first of all compiles code.
        if (round > 0 || count >= 3) warm.push(time);
      }
      await settled();
      await sleep(seconds * 1000);
      first.push(await timed());
    }
    const middle = (samples) =>
      quantile(
        samples.toSorted((a, b) => a - b),
        0.5,
      );
    return {
      figures: [ratio("first of warm p50", first, warm, { most: 2 })],
      detail: [`${rounds} pauses of ${seconds} s`, `warm p50 ${ms(middle(warm))}`, `first ${ms(middle(first))}`],
    };
  },
};
