// Processor time of a run over all processes that it needs: the host's own, the engine's, the sandbox's, and those that boot the next one.
import { ms, Skip } from "../context.mjs";
import { plain, ratio } from "../figures.mjs";
import { countedGroup } from "../processes.mjs";
import { takeTurns } from "../rounds.mjs";

const RUNS = 20;

export default {
  title: "processor time of a run, all processes, refill included",
  rounds: 12,
  async measure(context) {
    if (context.backend === "docker")
      throw new Skip("the engine's processes are not this one's, so nothing counts them with it");
    const group = countedGroup();
    try {
      const { request, settled, runtime } = await context.runtime();
      const each = (run, after) => async () => {
        const before = group.usedMs();
        for (let count = 0; count < RUNS; count += 1) await run();
        await after();
        return (group.usedMs() - before) / RUNS;
      };
      const [bare, library] = await takeTurns(
        [
          { name: "bare", run: each(context.bare, () => {}) },
          {
            name: "library",
            run: each(
              () => request(context.change()),
              () => runtime.warm(),
            ),
          },
        ],
        context.rounds,
        settled,
      );
      await context.close();
      return {
        figures: [
          plain("p50", "ms", library.samples, { most: 4.5 }),
          ratio("of bare `python3 -I -c pass`", library.samples, bare.samples),
        ],
        detail: [
          `bare ${ms(bare.p50)}, its start by Node included`,
          "a control group that all are in counts it, to the nanosecond, the dead included",
        ],
      };
    } finally {
      group.close();
    }
  },
};
