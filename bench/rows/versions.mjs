// What keeping versions costs a commit: the same run on two workspaces of 1,000 files each, one that keeps 20 versions and one that keeps none.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WorkspaceStore } from "../../dist/workspace/store.js";
import { ms } from "../context.mjs";
import { plain, ratio } from "../figures.mjs";
import { takeTurns } from "../rounds.mjs";

const FILES = 1000;
const CHANGED_BYTES = 100_000;
const KEPT = 20;
const owner = { uid: process.getuid() || 10_001, gid: process.getgid() || 10_001 };

export default {
  title: "commit of one changed file among 1,000, with 20 versions kept",
  backends: null,
  rounds: 40,
  async measure(context) {
    const sides = [await open(context, "none", 0), await open(context, "kept", KEPT)];
    const [none, kept] = await takeTurns(sides, context.rounds, undefined, 1);
    await Promise.all(sides.map(({ store }) => store.close()));
    const more = diskBytes(context.folder("kept")) - diskBytes(context.folder("none"));
    const each = more / Math.min(KEPT, context.rounds) / 1024;
    return {
      figures: [
        ratio("time, of a commit that keeps none", kept.samples, none.samples),
        ratio("best tenth", kept.samples, none.samples, null, 0.1, 0.1),
        plain("a version on disk", "KiB", [each]),
      ],
      detail: [
        `none kept ${ms(none.p50)}, ${KEPT} kept ${ms(kept.p50)}; the changed file has ${Math.round(CHANGED_BYTES / 1024)} KiB`,
      ],
    };
  },
};

async function open(context, name, keep) {
  const at = (root) => join(context.folder(name), root);
  const store = await WorkspaceStore.open({
    ...{ workspaceRoot: at("w"), sandboxRoot: at("s"), owner },
    versions: { keep, maxBytes: 2 ** 40 },
  });
  let round = 0;
  const run = async () => {
    const lock = await store.lock({ userId: "bench" });
    const prepared = await store.bootstrap(lock, `run-${round}`);
    for (let file = 0; round === 0 && file < FILES; file++) {
      mkdirSync(join(prepared.out, `d${file % 10}`), { recursive: true });
      writeFileSync(join(prepared.out, `d${file % 10}`, `f${file}`), `${file}`.repeat(200));
    }
    writeFileSync(join(prepared.out, "changed"), Buffer.alloc(CHANGED_BYTES, String(round)));
    round += 1;
    const diff = await store.diff(prepared);
    const startedAt = performance.now();
    await store.commit(prepared, diff, { durability: "process" });
    const time = performance.now() - startedAt;
    lock.release();
    return time;
  };
  return { name, store, run };
}

const diskBytes = (path) =>
  Number(execFileSync("du", ["-s", "--block-size=1", path], { encoding: "utf8" }).split("\t")[0]);
