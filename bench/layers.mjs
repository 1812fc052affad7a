// What the layers cost: a warm run with all of them on, beside the same one without those that can be left out. `mount`, `user` and
// `pid` namespaces stay: without them there is no sandbox. Ends with 1 where they cost more than is promised.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeamedRuntime } from "../dist/harness/runtime.js";
import { settled, takeTurns } from "./rounds.mjs";

const ROUNDS = Number(process.argv[2] ?? 60);
const MOST = 1.3;
const ALL = "all layers on";
const LIMITS = [
  ...["memory-cgroup", "process-cgroup", "cpu-cgroup", "memory-rlimit", "process-rlimit", "open-files", "file-size"],
  ...["tmp-size", "shm-size", "disk-watch", "files-watch", "output-cap"],
];
const FILTERS = ["seccomp", "proc-masks", "nested-userns", "new-session", "environment"];
const NAMESPACES = ["network-namespace", "ipc-namespace", "uts-namespace", "cgroup-namespace"];
/** What is left out, and whether it is what the promise is about. */
const SIDES = {
  bubblewrap: [
    ["filter, masks and limits off", [...LIMITS, ...FILTERS, "read-only-root", "proof"], true],
    [
      "network, IPC, name and control group namespaces off as well",
      [...LIMITS, ...FILTERS, "read-only-root", ...NAMESPACES, "proof"],
    ],
  ],
  docker: [
    [
      "filters, masks and limits off",
      [...LIMITS, ...FILTERS, "engine-seccomp", "read-only-root", "no-new-privileges", "proof"],
      true,
    ],
  ],
};
const PROGRAMS = {
  "`print(1)`": "print(1)",
  "200,000 system calls": "import os\nfor _ in range(200_000): os.getppid()",
};

const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));
const runtimes = [];

async function runtimeFor(backend, name, without) {
  const at = (root) => join(roots, backend, name.replaceAll(/\W+/g, "-"), root);
  const runtime = await createSeamedRuntime(
    { backend, workspaceRoot: at("w"), sandboxRoot: at("s") },
    { without: new Set(without) },
  );
  const run = async (code) => {
    const result = await runtime.run({ userId: "bench", code });
    if (!result.ok) throw new Error(JSON.stringify(result.error));
    return result;
  };
  try {
    await run("print(1)");
  } catch (error) {
    await runtime.close();
    throw error;
  }
  runtimes.push(runtime);
  return run;
}

async function sidesOf(backend) {
  const check = ({ sandbox }) => sandbox.warm;
  const found = [];
  for (const [name, without, isPromised = false] of [[ALL, [], false], ...SIDES[backend]]) {
    const run = await runtimeFor(backend, name, without);
    for (const [program, code] of Object.entries(PROGRAMS))
      found.push({
        backend,
        name,
        program,
        isPromised: isPromised && code === PROGRAMS["`print(1)`"],
        check,
        run: () => run(code),
      });
  }
  return found;
}

try {
  const sides = [];
  for (const backend of Object.keys(SIDES)) {
    try {
      sides.push(...(await sidesOf(backend)));
    } catch (error) {
      console.log(`${backend}: left out, ${error.message}`);
    }
  }
  const rows = await takeTurns(sides, ROUNDS, () => settled(runtimes));
  const times = sides.map((side, index) => ({ ...side, ...rows[index] }));
  console.log(`\n${ROUNDS} rounds. The table of docs/performance.md:\n`);
  console.log("| backend | program | all layers on, ms | left out | ms | all layers cost | best tenth |");
  console.log("| --- | --- | ---: | --- | ---: | ---: | ---: |");
  for (const row of times) {
    if (row.name === ALL) continue;
    const whole = times.find(
      ({ name, backend, program }) => name === ALL && backend === row.backend && program === row.program,
    );
    const [ratio, best] = [whole.p50 / row.p50, whole.p10 / row.p10];
    const cells = [row.backend, row.program, whole.p50.toFixed(1), row.name, row.p50.toFixed(1)];
    console.log(`| ${[...cells, `${ratio.toFixed(2)} x`, `${best.toFixed(2)} x`].join(" | ")} |`);
    // Of a machine that others use as well, the best tenth tells what the work costs and the median who else was there.
    if (!row.isPromised || Math.min(ratio, best) <= MOST) continue;
    console.log(`more than ${MOST} x`);
    process.exitCode = 1;
  }
} finally {
  await Promise.all(runtimes.map((runtime) => runtime.close()));
  rmSync(roots, { recursive: true, force: true });
}
