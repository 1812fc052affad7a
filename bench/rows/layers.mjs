// What the layers cost: a warm run with all of them on, beside the same one without those that can be left out. `mount`, `user` and
// `pid` namespaces stay: without them there is no sandbox. That all others cost 1.3 x at most is a promise.
import { join } from "node:path";
import { createSeamedRuntime } from "../../dist/harness/runtime.js";
import { ms, Skip } from "../context.mjs";
import { ratio } from "../figures.mjs";
import { settled, takeTurns } from "../rounds.mjs";

const MOST = 1.3;
const ALL = "all layers on";
const LIMITS = [
  ...["memory-cgroup", "process-cgroup", "cpu-cgroup", "memory-rlimit", "process-rlimit", "open-files", "file-size"],
  ...["tmp-size", "shm-size", "disk-watch", "files-watch", "output-cap"],
];
const FILTERS = ["seccomp", "proc-masks", "nested-userns", "new-session", "environment"];
const NAMESPACES = ["network-namespace", "ipc-namespace", "uts-namespace", "cgroup-namespace"];
const PARTS = [...LIMITS, ...FILTERS, "read-only-root", "proof"];
const LEFT_OUT = "filter, masks and limits off";
/** What is left out. The promise is about the first. */
const WITHOUT = {
  docker: { [LEFT_OUT]: [...PARTS, "engine-seccomp", "no-new-privileges"] },
  other: {
    [LEFT_OUT]: PARTS,
    "network, IPC, name and control group namespaces off as well": [...PARTS, ...NAMESPACES],
  },
};
const PROGRAMS = {
  "`print(1)`": "print(1)",
  "200,000 system calls": "import os\nfor _ in range(200_000): os.getppid()",
};

export default {
  title: "all layers on, of the same run with layers left out",
  rounds: 40,
  async measure(context) {
    const runtimes = [];
    try {
      const sides = await sidesOf(context, runtimes);
      const rows = await takeTurns(sides, context.rounds, () => settled(runtimes));
      const times = sides.map((side, index) => ({ ...side, ...rows[index] }));
      const whole = (program) => times.find((row) => row.left === ALL && row.program === program);
      const figures = times
        .filter(({ left }) => left !== ALL)
        .flatMap(({ program, left, samples }) => {
          const isPromised = program === "`print(1)`" && left === LEFT_OUT;
          const all = whole(program).samples;
          // Of a machine that others use as well, the best tenth tells what the work costs and the median who else was there.
          const best = ratio(
            `${program}, ${left}, best tenth`,
            all,
            samples,
            isPromised ? { most: MOST } : null,
            0.1,
            0.1,
          );
          return [ratio(`${program}, ${left}`, all, samples), { ...best, promised: isPromised }];
        });
      return { figures, detail: times.map(({ program, left, p50 }) => `${program}, ${left}: p50 ${ms(p50)}`) };
    } finally {
      await Promise.all(runtimes.map((runtime) => runtime.close()));
    }
  },
};

async function sidesOf(context, runtimes) {
  const found = [];
  for (const [left, without] of Object.entries({ [ALL]: [], ...(WITHOUT[context.backend] ?? WITHOUT.other) })) {
    const root = context.folder(`layers-${runtimes.length}`);
    const runtime = await createSeamedRuntime(
      {
        ...{ backend: context.backend, python: context.python },
        ...{ workspaceRoot: join(root, "w"), sandboxRoot: join(root, "s") },
      },
      { without: new Set(without) },
    );
    runtimes.push(runtime);
    const run = async (code) => {
      const result = await runtime.run({ userId: "bench", code });
      if (result.ok) return result;
      throw result.error.code === "sandbox_unavailable"
        ? new Skip(result.error.message)
        : new Error(result.error.message);
    };
    await run("print(1)");
    for (const [program, code] of Object.entries(PROGRAMS))
      found.push({
        ...{ name: `${program}, ${left}`, program, left },
        ...{ check: ({ sandbox }) => sandbox.warm, run: () => run(code) },
      });
  }
  return found;
}
