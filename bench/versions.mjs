// What keeping versions costs a commit: the same run on two workspaces of 1,000 files each, one that keeps 20 versions and one that keeps
// none, in turns in one process. Prints the quickest and the middle commit of each, their ratio, and the bytes a version takes.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkspaceStore } from "../dist/workspace/store.js";

const ROUNDS = Number(process.argv[2] ?? 40);
const FILES = 1000;
const CHANGED_BYTES = 100_000;
const owner = { uid: process.getuid() || 10_001, gid: process.getgid() || 10_001 };
const roots = mkdtempSync(join(tmpdir(), "iso-bench-"));

const open = async (name, keep) => ({
  name,
  root: join(roots, name, "w"),
  times: [],
  store: await WorkspaceStore.open({
    ...{ workspaceRoot: join(roots, name, "w"), sandboxRoot: join(roots, name, "s"), owner },
    versions: { keep, maxBytes: 2 ** 40 },
  }),
});

async function run({ store, times }, round) {
  const lock = await store.lock({ userId: "bench" });
  const prepared = await store.bootstrap(lock, `run-${round}`);
  for (let file = 0; round === 0 && file < FILES; file++) {
    mkdirSync(join(prepared.out, `d${file % 10}`), { recursive: true });
    writeFileSync(join(prepared.out, `d${file % 10}`, `f${file}`), `${file}`.repeat(200));
  }
  writeFileSync(join(prepared.out, "changed"), Buffer.alloc(CHANGED_BYTES, String(round)));
  const diff = await store.diff(prepared);
  const startedAt = performance.now();
  await store.commit(prepared, diff, { durability: "process" });
  if (round > 0) times.push(performance.now() - startedAt);
  lock.release();
}

const diskBytes = (path) =>
  Number(execFileSync("du", ["-s", "--block-size=1", path], { encoding: "utf8" }).split("\t")[0]);

try {
  const sides = [await open("none", 0), await open("kept", 20)];
  for (let round = 0; round <= ROUNDS; round++) for (const side of sides) await run(side, round);
  for (const { store } of sides) await store.close();
  const [none, kept] = sides.map(({ times }) => times.sort((a, b) => a - b));
  const middle = (times) => times[Math.floor(times.length / 2)];
  const say = (ms) => `${ms.toFixed(1)} ms`;
  console.log(`commit of one changed file among ${FILES}: none kept ${say(none[0])} (middle ${say(middle(none))})`);
  console.log(`  20 kept ${say(kept[0])} (middle ${say(middle(kept))}), ratio ${(kept[0] / none[0]).toFixed(2)}`);
  const each = (diskBytes(sides[1].root) - diskBytes(sides[0].root)) / Math.min(20, ROUNDS);
  console.log(
    `  a version takes ${Math.round(each / 1024)} KiB, ${Math.round(CHANGED_BYTES / 1024)} of them the changed file`,
  );
} finally {
  rmSync(roots, { recursive: true, force: true });
}
