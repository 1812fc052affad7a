// What a run costs this process: warm runs with contract, one changed file, diff and sync, one after the other. The first side's
// sandbox costs nothing (it answers in this process, no engine is behind it), so all of its time is the host's own work. Prints
// processor time and wall time of a run as a ratio to a bare interpreter's, the time of each phase, and the process's system calls.
//
//   node bench/host-path.mjs [runs] [sides]     sides: `none,bubblewrap` by default, and `none` alone for a profile:
//   node --cpu-prof bench/host-path.mjs 2000 none
//   strace -f -c -e trace='!futex' node bench/host-path.mjs 500 none
import { execFile } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createRuntime } from "../dist/index.js";
import { LIMITS } from "../dist/model/limits.js";

const RUNS = Number(process.argv[2] ?? 300);
const SIDES = (process.argv[3] ?? "none,bubblewrap").split(",");
const PYTHON = "/usr/bin/python3";
const ROUNDS = 5;
const contract = [{ path: "hello.txt", description: "a greeting" }];
let written = 0;
const code = () =>
  `import os\nopen(os.path.join(os.environ["OUTPUT_DIR"], "hello.txt"), "w").write("${written++}")\nprint(1)`;

const frame = (kind, body) => {
  const payload = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const header = Buffer.alloc(5);
  header.writeUInt32BE(payload.length);
  header.write(kind, 4, "latin1");
  return Buffer.concat([header, payload]);
};
const ENDED = Buffer.concat([
  frame("B", {}),
  frame("O", Buffer.from("1\n")),
  frame("X", {
    ...{ exitCode: 0, signal: null, stopped: false },
    usage: { cpuMs: 1, maxRssBytes: 1, processes: 1 },
    kernel: { oomKills: 0, processHits: 0 },
  }),
]);
const owner = { uid: process.getuid() || 10_001, gid: process.getgid() || 10_001 };
const policy = (profile) => ({
  limits: Object.fromEntries(
    Object.entries(LIMITS).map(([name, { unit }]) => [
      name,
      { value: profile.limits[name], unit, enforcedBy: "none", hits: 0 },
    ]),
  ),
  network: "none",
  isolation: { namespaces: [], seccomp: false, hostUid: owner.uid },
});

/** Does what the program would, where it would: it writes one file. There is no isolation, so only code of ours runs. */
const nothing = {
  name: "none",
  probe: async () => ({ usable: true, checks: [] }),
  reap: async () => {},
  close: async () => {},
  async boot(profile) {
    let out = "";
    const channel = new Duplex({
      read() {},
      write(_job, _encoding, done) {
        const file = join(out, "hello.txt");
        writeFileSync(file, String(written));
        if (process.getuid() === 0) chownSync(file, owner.uid, owner.gid);
        this.push(ENDED);
        this.push(null);
        done();
      },
    });
    return {
      ...{ id: "none", python: { path: PYTHON, version: "0" }, channel, owner, ended: new Promise(() => {}) },
      inside: { work: "/work", out: "/out" },
      async deliver(dir) {
        out = join(dir, "out");
      },
      stop: async () => ({ oomKills: 0, processHits: 0, lost: null }),
      collect: async () => {},
      dispose: async () => {},
      policy: () => policy(profile),
      engineLog: () => [],
    };
  },
};

const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function openSide(name) {
  const runtime = await createRuntime({
    ...{ backend: name, workspaceRoot: join(roots, name, "w"), sandboxRoot: join(roots, name, "s") },
    ...(name === "none" && { backends: [nothing] }),
  });
  const run = async () => {
    const result = await runtime.run({ userId: "bench", code: code(), contract });
    if (!result.ok || !result.workspace.synced || result.changes.created.length + result.changes.modified.length !== 1)
      throw new Error(JSON.stringify(result.error ?? result));
    return result;
  };
  for (let warmUp = 0; warmUp < Math.max(5, Math.min(RUNS, 100)); warmUp++) await run();
  return { name, runtime, run, wall: [], cpu: [], phases: new Map() };
}

/** An engine's sandboxes are replaced between two runs; what that costs is not the run's. */
async function measure({ name, runtime, run, wall, cpu, phases }, runs) {
  const settle = name === "none" ? () => {} : () => runtime.warm();
  for (let index = 0; index < runs; index++) {
    await settle();
    const before = process.cpuUsage();
    const startedAt = performance.now();
    const { timings } = await run();
    wall.push(performance.now() - startedAt);
    const { user, system } = process.cpuUsage(before);
    cpu.push({ user: user / 1000, system: system / 1000 });
    for (const [phase, ms] of Object.entries(timings)) {
      if (!phases.has(phase)) phases.set(phase, []);
      phases.get(phase).push(ms);
    }
  }
}

async function bare(times, runs) {
  for (let index = 0; index < runs; index++) {
    const startedAt = performance.now();
    await promisify(execFile)(PYTHON, ["-I", "-c", "pass"]);
    times.push(performance.now() - startedAt);
  }
}

const sides = [];
try {
  for (const name of SIDES) sides.push(await openSide(name));
  const baseline = [];
  for (let round = 0; round < ROUNDS; round++) {
    await bare(baseline, 10);
    for (const side of sides) await measure(side, Math.ceil(RUNS / ROUNDS / (side.name === "none" ? 1 : 5)));
    await sleep(50);
  }
  const bareMs = median(baseline);
  console.log(`bare \`python3 -I -c pass\`, started from here: ${bareMs.toFixed(2)} ms`);
  console.log(
    "| sandbox | wall ms | x bare | processor, own code, ms | in the kernel, ms | both, x bare | phases, ms |",
  );
  console.log("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
  for (const { name, wall, cpu, phases } of sides) {
    const mean = (part) => cpu.reduce((sum, times) => sum + times[part], 0) / cpu.length;
    const [user, system] = [mean("user"), mean("system")];
    const parts = [...phases].map(([phase, times]) => `${phase.replace(/Ms$/, "")} ${median(times).toFixed(2)}`);
    const wallMs = median(wall);
    const cells = [wallMs, wallMs / bareMs, user, system, (user + system) / bareMs].map((value) => value.toFixed(2));
    console.log(`| ${[name, ...cells, parts.join(", ")].join(" | ")} |`);
  }
} finally {
  for (const { runtime } of sides) await runtime.close();
  rmSync(roots, { recursive: true, force: true });
}
