// What a run's files cost by the size of the workspace: runs that change one file of an empty workspace and of full ones, in turns in one
// process. `node bench/workspace.mjs [rounds] [files…]` times the workspace's own part of a run: lock, bootstrap, diff, commit.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WorkspaceStore } from "../dist/workspace/store.js";

const [rounds = "10", ...sizes] = process.argv.slice(2);
const FILES = sizes.length === 0 ? [0, 10_000, 100_000] : sizes.map(Number);
const PER_FOLDER = 100;
const PHASES = ["bootstrap", "diff", "commit", "all"];
const owner = { uid: process.getuid() || 10_001, gid: process.getgid() || 10_001 };
const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));

async function timed(times, phase, work) {
  const startedAt = performance.now();
  const result = await work();
  times[phase].push(performance.now() - startedAt);
  return result;
}

async function run({ store, user, times }, round) {
  await timed(times, "all", async () => {
    const lock = await store.lock({ userId: user });
    const prepared = await timed(times, "bootstrap", () => store.bootstrap(lock, `run-${round}`));
    await store.delivered?.(prepared);
    writeFileSync(join(prepared.out, "changed"), `${round}`.repeat(10));
    const diff = await timed(times, "diff", () => store.diff(prepared));
    const { synced } = await timed(times, "commit", () => store.commit(prepared, diff, { durability: "process" }));
    if (!synced || diff.totals.created + diff.totals.modified !== 1) throw new Error("the run changed not one file");
    lock.release();
  });
}

function fill(out, files) {
  mkdirSync(out, { recursive: true });
  for (let file = 0; file < files; file += 1) {
    if (file % PER_FOLDER === 0) mkdirSync(join(out, `d${file / PER_FOLDER}`), { recursive: true });
    writeFileSync(join(out, `d${Math.floor(file / PER_FOLDER)}`, `f${file}`), `${file}`);
  }
}

/** The first rounds leave whole copies to be removed in the background, which would be measured with the rounds after. */
async function removed() {
  const folders = ["w", "s"].map((root) => join(roots, root, ".iso-runtime/trash"));
  while (folders.some((folder) => readdirSync(folder).length > 0)) await sleep(50);
}

const quantile = (times, q) => times.toSorted((a, b) => a - b)[Math.floor(times.length * q)];

try {
  const options = { workspaceRoot: join(roots, "w"), sandboxRoot: join(roots, "s"), owner };
  const store = await WorkspaceStore.open(options);
  const sides = FILES.map((files) => ({ files, store, user: `u${files}`, times: {} }));
  for (const { user, files } of sides) fill(join(roots, "w", user, "out"), files);
  const clear = (side) => Object.assign(side.times, Object.fromEntries(PHASES.map((phase) => [phase, []])));
  for (let round = -3; round < Number(rounds); round += 1) {
    if (round <= 0) sides.forEach(clear);
    if (round === 0) await removed();
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) await run(side, round + 3);
  }
  await store.close();
  console.log("| files | bootstrap ms | diff ms | commit ms | all ms | p95 | more than without files |");
  console.log("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  const [first] = sides;
  for (const { files, times } of sides) {
    const medians = PHASES.map((phase) => quantile(times[phase], 0.5).toFixed(1));
    const more = quantile(times.all, 0.5) - quantile(first.times.all, 0.5);
    const cells = [files, ...medians, quantile(times.all, 0.95).toFixed(1), `${more.toFixed(1)} ms`];
    console.log(`| ${cells.join(" | ")} |`);
  }
} finally {
  rmSync(roots, { recursive: true, force: true });
}
