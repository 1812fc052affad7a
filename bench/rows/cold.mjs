// A run that finds no sandbox ready and boots its own.
import { ms } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

export default {
  title: "the same with no slot ready, of bare `python3 -I -c pass`",
  rounds: 40,
  async measure(context) {
    const { request } = await context.runtime({ warm: 0 });
    const [bare, cold] = await takeTurns(
      [
        { name: "bare", run: context.bare },
        { name: "cold", run: () => request(context.change()), check: ({ sandbox }) => !sandbox.warm },
      ],
      context.rounds,
    );
    return {
      figures: [ratio("p50", cold.samples, bare.samples, { most: 1 })],
      detail: [`bare p50 ${ms(bare.p50)}, p95 ${ms(bare.p95)}`, `cold p50 ${ms(cold.p50)}, p95 ${ms(cold.p95)}`],
    };
  },
};
