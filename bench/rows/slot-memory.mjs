// What one more sandbox that waits costs in memory: the difference between many and few of them, so that what they share is not counted.
import { setTimeout as sleep } from "node:timers/promises";
import { plain, ratio } from "../figures.mjs";
import { privateDirty, privateDirtyOf } from "../processes.mjs";

const [FEW, MANY] = [2, 10];
const MB = 1e6;

export default {
  title: "idle slot, private dirty memory of all its processes",
  rounds: 3,
  async measure(context) {
    const [slots, bare, processes] = [[], [], []];
    // Says whether the backend works here. Of those below nobody has run: a user who did may have as many waiting beside nobody's.
    await (await context.runtime({ warm: 0 }, { fresh: true })).close();
    for (let round = 0; round < context.rounds; round += 1) {
      const few = await held(context, FEW);
      const many = await held(context, MANY);
      slots.push((many.bytes - few.bytes) / (MANY - FEW) / MB);
      processes.push((many.processes - few.processes) / (MANY - FEW));
      bare.push((await idlePython(context)) / MB);
    }
    return {
      figures: [plain("each", "MB", slots, { most: 2 }), ratio("of an idle bare python3", slots, bare)],
      detail: [
        `(private dirty bytes with ${MANY} slots less those with ${FEW}) / ${MANY - FEW}; ${processes[0].toFixed(1)} processes each`,
      ],
    };
  },
};

async function held(context, warm) {
  const { settled, close } = await context.runtime({ warm }, { unused: true });
  await settled();
  await sleep(500);
  const found = privateDirtyOf(context.root);
  await close();
  return found;
}

async function idlePython(context) {
  const child = context.spawn(context.python, ["-I", "-c", "print(1, flush=True); input()"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const bytes = privateDirty(child.pid);
  child.stdin.end("\n");
  return bytes;
}
