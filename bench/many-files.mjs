// One file changed in a workspace of many, beside an empty workspace: what the others cost. A row for each number of files.
import { ms } from "./context.mjs";
import { difference, ratio } from "./figures.mjs";
import { takeTurns } from "./rounds.mjs";

const A_RUN = 10_000;
const A_FOLDER = 1000;

const filling = (first, end) => `
import os
for number in range(${first}, ${end}):
    folder = f"{os.environ['OUTPUT_DIR']}/files/{number // ${A_FOLDER}}"
    if number % ${A_FOLDER} == 0:
        os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number}", "w") as file:
        file.write(f"{number}\\n" * 50)
`;

export const manyFiles = (files, most, rounds) => ({
  title: `${files.toLocaleString("en")} files, one of them changed, beside an empty workspace`,
  rounds,
  async measure(context) {
    const { request, settled } = await context.runtime();
    for (let first = 0; first < files; first += A_RUN)
      await request({ userId: "many", code: filling(first, Math.min(files, first + A_RUN)), timeoutMs: 600_000 });
    const side = (userId) => ({
      name: userId,
      run: () => request({ userId, ...context.change() }),
      check: ({ sandbox, workspace }) => sandbox.warm && workspace.synced,
    });
    const [none, many] = await takeTurns([side("none"), side("many")], context.rounds, settled);
    return {
      figures: [
        difference("p50 more", "ms", many.samples, none.samples, { most }),
        ratio("p50 of the empty one's", many.samples, none.samples),
      ],
      detail: [`empty p50 ${ms(none.p50)}, p95 ${ms(none.p95)}`, `many p50 ${ms(many.p50)}, p95 ${ms(many.p95)}`],
    };
  },
});
