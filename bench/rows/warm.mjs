// A warm run with all that a call of the library does, beside a bare interpreter's start and end.
import { ms } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

export default {
  title: "warm `print(1)` with contract, diff and sync, of bare `python3 -I -c pass`",
  rounds: 60,
  async measure(context) {
    const { request, settled } = await context.runtime();
    const [bare, warm] = await takeTurns(
      [
        { name: "bare", run: context.bare },
        {
          name: "warm",
          run: () => request(context.change()),
          check: ({ sandbox, workspace }) => sandbox.warm && workspace.synced,
        },
      ],
      context.rounds,
      settled,
    );
    return {
      figures: [
        ratio("p50", warm.samples, bare.samples, { most: 0.5 }),
        ratio("p95 of bare p50", warm.samples, bare.samples, { most: 1 }, 0.95),
      ],
      detail: [`bare p50 ${ms(bare.p50)}, p95 ${ms(bare.p95)}`, `warm p50 ${ms(warm.p50)}, p95 ${ms(warm.p95)}`],
    };
  },
};
