// What the kernel and the interpreter alone cost here: the forks and the files that a run on the zygote cannot do without, doing nothing.
import { fileURLToPath } from "node:url";
import { ms, Skip } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { FilesOfARun } from "../floor-files.mjs";

const FLOOR = fileURLToPath(new URL("../floor.py", import.meta.url));

export default {
  title: "forks of a prepared interpreter and files of a run, that do nothing, of bare `python3 -I -c pass`",
  rounds: 200,
  backends: null,
  async measure(context) {
    if (process.getuid?.() !== 0) throw new Skip("an ordinary user may not be allowed to make namespaces");
    const { bare, namespaces, sandbox, ready } = JSON.parse(
      await context.run(context.python, ["-I", FLOOR, String(context.rounds)]),
    );
    const files = filesOf(context.folder("floor"), context.rounds);
    const middle = ({ cpu, wall }) => `${ms(median(wall))} wall, ${ms(median(cpu))} processor`;
    return {
      figures: [
        ratio("one fork into namespaces: wall p50", namespaces.wall, bare.wall),
        ratio("first process and a program that prints: wall p50", sandbox.wall, bare.wall),
        ratio("both of them, forked before: wall p50", ready.wall, bare.wall),
        ratio("first process and a program that prints: processor time", sandbox.cpu, bare.cpu),
        ratio("the files of a run: wall p50", files.wall, bare.wall),
        ratio("the files of a run: processor time", files.cpu, bare.cpu),
      ],
      detail: [
        `bare ${middle(bare)}; one fork ${middle(namespaces)}; both processes ${middle(sandbox)}, forked before ${middle(ready)}; files ${middle(files)}`,
      ],
    };
  },
};

function filesOf(root, rounds) {
  const files = new FilesOfARun(root);
  const found = { wall: [], cpu: [] };
  for (let round = 0; round < rounds; round += 1) {
    const [startedAt, before] = [performance.now(), process.cpuUsage()];
    files.once();
    const { user, system } = process.cpuUsage(before);
    found.wall.push(performance.now() - startedAt);
    found.cpu.push((user + system) / 1000);
  }
  files.remove();
  return found;
}

const median = (samples) => samples.toSorted((a, b) => a - b)[samples.length >> 1];
