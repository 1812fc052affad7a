// kill -9 at random moments and at every named step, again and again over the same roots: no workspace is torn, no finished run lost,
// no lock stuck. And beside a neighbour that works all the while, which notices nothing.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createRuntime, type Runtime } from "../../src/index.js";
import { realBackends } from "../support/backends.js";
import { count } from "../support/soak.js";
import { stepsReachedOn } from "../support/steps.js";
import { suiteDir } from "../support/temp.js";
import { tracesOf } from "../support/traces.js";

const WORKER = fileURLToPath(new URL("fixtures/run-worker.mjs", import.meta.url));
const FILES = 30;
const codeOf = (version: number) =>
  `import os\nfor i in range(${FILES}):\n    with open(os.path.join(os.environ["OUTPUT_DIR"], f"f{i}"), "w") as f:\n        f.write("${version}")\n`;

interface Run {
  version: number;
  userId: string;
  runId: string;
  code: string;
}

function start(roots: string, backend: string, warm = 0): Promise<Runtime> {
  const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
  return createRuntime({ backend, workspaceRoot, sandboxRoot, warm });
}

/** The version a user's files are of; null where they are torn. */
function versionIn(roots: string, userId: string): number | null {
  const out = join(roots, "workspace", userId, "out");
  let names: string[];
  try {
    names = readdirSync(out);
  } catch {
    return 0;
  }
  if (names.length === 0) return 0;
  const versions = new Set(names.map((name) => readFileSync(join(out, name), "utf8")));
  return names.length === FILES && versions.size === 1 ? Number([...versions][0]) : null;
}

class Victim {
  readonly ended: Promise<void>;
  readonly child: ChildProcess;
  said = "";

  constructor(order: object) {
    this.child = spawn(process.execPath, [WORKER, JSON.stringify(order)], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (text) => {
      this.said += text;
    });
    this.child.stderr?.on("data", (text) => {
      this.said += text;
    });
    this.ended = new Promise((done) => this.child.once("close", () => done()));
  }

  get finished(): number {
    return Math.max(0, ...[...this.said.matchAll(/^finished (\d+)$/gm)].map(([, version]) => Number(version)));
  }

  async killWithin(mostMs: number): Promise<void> {
    await Promise.race([this.ended, sleep(Math.random() * mostMs)]);
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

describe.each(realBackends())("kill -9 on %s", (backend) => {
  const roots = suiteDir();
  const steps = stepsReachedOn(backend);
  const rounds = backend === "docker" ? count(4, 200) : count(16, 1000);

  it(`${rounds} times`, { timeout: 60_000 + rounds * 30_000 }, async () => {
    const found = { torn: 0, lost: 0, stuck: 0, failed: 0, atSteps: 0, atRandom: 0 };
    const finished = new Map<string, number>();
    let version = 0;
    let wholeMs = 2_000;
    for (let round = 0; round < rounds; round += 1) {
      const before = versionIn(roots, "k") ?? 0;
      const runs: Run[] = [1, 2].map(() => {
        version += 1;
        return { version, userId: "k", runId: `r${version}`, code: codeOf(version) };
      });
      const dieAt = round % 2 === 0 ? null : steps[(round >> 1) % steps.length];
      const startedAt = performance.now();
      const victim = new Victim({ roots, backend, dieAt, warm: round % 3, runs });
      // A lock that is stuck shows as a process that never ends.
      if (dieAt === null) await victim.killWithin(wholeMs);
      else await Promise.race([victim.ended, sleep(120_000)]);
      if (victim.child.exitCode === null && victim.child.signalCode === null) {
        found.stuck += 1;
        await victim.killWithin(0);
      }
      if (victim.child.exitCode === 0) wholeMs = performance.now() - startedAt;
      else found[dieAt === null ? "atRandom" : "atSteps"] += 1;
      if (/^failed/m.test(victim.said)) found.failed += 1;
      for (const run of runs) if (run.version <= victim.finished) finished.set(run.runId, run.version);
      const now = versionIn(roots, "k");
      if (now === null) found.torn += 1;
      else if (now < Math.max(before, victim.finished)) found.lost += 1;
    }
    await using next = await start(roots, backend);
    // Each finished run's result is there under its id, whoever asks.
    for (const [runId, of] of finished) {
      const again = await next.run({ userId: "k", runId, code: codeOf(of) });
      if (again.status !== "succeeded" || !again.workspace.synced) found.lost += 1;
    }
    version += 1;
    expect(await next.run({ userId: "k", code: codeOf(version) })).toMatchObject({ ok: true });
    expect(versionIn(roots, "k")).toBe(version);
    await next.close();
    console.log(
      `${rounds} rounds on ${backend}: ${JSON.stringify(found)}, ${finished.size} finished runs all found again`,
    );
    expect(found).toMatchObject({ torn: 0, lost: 0, stuck: 0, failed: 0 });
    expect(await tracesOf(roots)).toEqual([]);
  });
});

describe.each(realBackends())("a neighbour on %s", (backend) => {
  const roots = suiteDir();
  const lives = backend === "docker" ? count(2, 20) : count(3, 60);

  it(`notices nothing of four processes that start and are killed ${lives} times each`, {
    timeout: 60_000 + lives * 60_000,
  }, async () => {
    await using neighbour = await start(roots, backend, 2);
    await neighbour.warm();
    let churning = true;
    const churns = [1, 2, 3, 4].map(async (number) => {
      for (let life = 1; life <= lives; life += 1) {
        const run = { version: life, userId: `c${number}`, code: codeOf(life) };
        await new Victim({ roots, backend, warm: 1, runs: [run] }).killWithin(backend === "docker" ? 4_000 : 2_500);
        expect(versionIn(roots, `c${number}`)).not.toBe(null);
      }
    });
    const all = Promise.all(churns).finally(() => {
      churning = false;
    });
    let runs = 0;
    while (churning) {
      runs += 1;
      const result = await neighbour.run({ userId: "n", code: codeOf(runs) });
      expect(result, JSON.stringify(result.error)).toMatchObject({ ok: true, workspace: { synced: true } });
      expect(versionIn(roots, "n")).toBe(runs);
    }
    await all;
    await neighbour.close();
    await using next = await start(roots, backend);
    for (const userId of ["c1", "c2", "c3", "c4"]) {
      expect(await next.run({ userId, code: codeOf(9_999) })).toMatchObject({ ok: true });
    }
    await next.close();
    console.log(`${4 * lives} lives beside a neighbour on ${backend} with ${runs} runs, all of them right`);
    expect(await tracesOf(roots)).toEqual([]);
  });
});
