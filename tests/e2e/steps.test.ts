// Every named step of a run, one after another: the process dies there, or the call fails there. Then the workspace is one whole
// version, no finished run is lost, the next start leaves no trace of the dead, and the next run works.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRuntime, type RunResult, type Runtime } from "../../src/index.js";
import { onStep } from "../../src/model/steps.js";
import { BACKEND_NAMES } from "../../src/sandbox/backends.js";
import { realBackends } from "../support/backends.js";
import { count } from "../support/soak.js";
import { ELSEWHERE, HEALING, ONLY_ON, STEPS, stepsReachedOn } from "../support/steps.js";
import { suiteDir } from "../support/temp.js";
import { tracesOf } from "../support/traces.js";

const WORKER = fileURLToPath(new URL("fixtures/run-worker.mjs", import.meta.url));
const USER = "s";

const BEFORE_THE_CLAIM = ["open.roots", "open.instance", "open.cleared"];
const AFTER_THE_RECORD = ["runid.placed", "close.pool", "close.backends", "close.store"];
/** Nothing that a run was for depends on these: a fault there leaves a success that is true. */
const HARMLESS = [
  ...[
    "commit.placed",
    "commit.old-kept",
    "commit.versioned",
    "commit.old-moved-away",
    "commit.pruned",
    "receipt.written",
    "logs.placed",
    "history.written",
    "runid.written",
    "runid.placed",
  ],
  ...["lock.released", "dispose.stopped", "dispose.slot", "dispose.container"],
];

/** All of them on the backend `auto` takes first; elsewhere the smoke size has the backend's own, and one of each part of a run. */
function stepsOn(backend: string): string[] {
  const all = stepsReachedOn(backend);
  const few = ["run.acquired", "deliver.placed", "run.begun", "run.ended", "run.stopped", "commit.ready", "close.pool"];
  const some = all.filter((name) => /^(boot|dispose)\./.test(name) || few.includes(name));
  return backend === BACKEND_NAMES[0] ? all : count(some, all);
}

/** A program that a fault ends halfway has done half its work, which is kept like all that a program wrote: not here. */
const KEEP_WHOLE = { sync: "on-success" as const };

const idOf = (step: string): string => `run-${step.replace(".", "-")}`;
const codeOf = (version: number) =>
  `import os\nfor i in range(20):\n    with open(os.path.join(os.environ["OUTPUT_DIR"], f"f{i}"), "w") as f:\n        f.write("${version}")\n`;

function versionIn(roots: string): number {
  const out = join(roots, "workspace", USER, "out");
  const found = namesIn(out).map((name) => readFileSync(join(out, name), "utf8"));
  if (found.length === 0) return 0;
  expect(found).toEqual(Array(20).fill(found[0]));
  return Number(found[0]);
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** A version that no run made: the next one records it first. */
function changeByHand(roots: string, version: number): void {
  const out = join(roots, "workspace", USER, "out");
  for (const name of readdirSync(out)) writeFileSync(join(out, name), String(version));
}

/** As many versions as are kept, so that the next one has one to drop. */
async function fillVersions(roots: string, backend: string): Promise<number> {
  await using runtime = await start(roots, backend);
  for (const version of [1, 2, 3, 4]) {
    expect(await runtime.run({ userId: USER, code: codeOf(version) })).toMatchObject({ ok: true });
  }
  return 4;
}

async function work(order: object): Promise<{ said: string[]; signal: string | null; errors: string }> {
  const child = spawn(process.execPath, [WORKER, JSON.stringify(order)], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (text) => {
    texts.out += text;
  });
  child.stderr.on("data", (text) => {
    texts.err += text;
  });
  const signal = await new Promise<string | null>((done) => child.once("close", (_, by) => done(by)));
  return { said: texts.out.split("\n").filter(Boolean), signal, errors: texts.err };
}

describe("the steps of a run", () => {
  it("are found, and each is somebody's", () => {
    expect(STEPS.length).toBeGreaterThan(40);
    for (const [name, file] of Object.entries(ELSEWHERE)) {
      expect(STEPS).toContain(name);
      expect(readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8")).toContain(`"${name}"`);
    }
    for (const name of [...Object.values(ONLY_ON).flat(), ...HEALING, ...HARMLESS]) expect(STEPS).toContain(name);
    console.log(`${STEPS.length} steps: ${STEPS.join(", ")}`);
  });

  it("stand in the documentation, each with what it leaves", () => {
    const text = ["crash-safety.md", "workspace.md"]
      .map((name) => readFileSync(fileURLToPath(new URL(`../../docs/${name}`, import.meta.url)), "utf8"))
      .join("\n");
    expect(STEPS.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

describe.each(realBackends())("a kill at a step, on %s", (backend) => {
  const roots = suiteDir();
  let version = 0;
  beforeAll(async () => {
    version = await fillVersions(roots, backend);
  });

  it.each([...stepsOn(backend), ...HEALING])("%s", async (dieAt) => {
    if (HEALING.includes(dieAt)) await leaveSomethingToHeal(dieAt);
    if (dieAt === "commit.before-recorded") changeByHand(roots, ++version);
    const before = versionIn(roots);
    version += 1;
    const run = { userId: USER, runId: idOf(dieAt), code: codeOf(version) };
    const { said, signal, errors } = await work({ roots, backend, dieAt, runs: [{ version, ...run }] });
    expect(said, errors).toContain(`at ${dieAt}`);
    expect(signal).toBe("SIGKILL");
    if (dieAt !== "heal.placed") expect([before, version]).toContain(versionIn(roots));
    if (said.includes(`finished ${version}`)) expect(versionIn(roots)).toBe(version);

    const runtime = await start(roots, backend);
    const again = await runtime.run(run);
    if (BEFORE_THE_CLAIM.includes(dieAt)) expect(again).toMatchObject({ status: "succeeded" });
    else if (AFTER_THE_RECORD.includes(dieAt) || said.includes(`finished ${version}`)) {
      expect(again).toMatchObject({ status: "succeeded" });
      expect(versionIn(roots)).toBe(version);
    } else if (!dieAt.startsWith("dispose.") && dieAt !== "lock.released") {
      expect(again, JSON.stringify(again.error)).toMatchObject({ status: "failed", error: { code: "interrupted" } });
      expect(again.error?.hint).toBeDefined();
    }
    version += 1;
    const next = await runtime.run({ userId: USER, code: codeOf(version) });
    expect(next, JSON.stringify(next.error)).toMatchObject({ status: "succeeded", workspace: { synced: true } });
    expect(versionIn(roots)).toBe(version);
    await runtime.close();
    expect(await tracesOf(roots)).toEqual([]);
  });

  /** What a kill in the middle of a commit leaves; for one, with the tree between two names. */
  async function leaveSomethingToHeal(step: string): Promise<void> {
    version += 1;
    await work({ roots, backend, dieAt: "commit.ready", runs: [{ version, userId: USER, code: codeOf(version) }] });
    if (step !== "heal.placed") return;
    const staging = join(roots, "workspace/.iso-runtime/staging", USER);
    const [commit = ""] = readdirSync(staging);
    renameSync(join(roots, "workspace", USER, "out"), join(staging, commit, "old"));
  }
});

describe.each(realBackends())("a fault at a step, on %s", (backend) => {
  const roots = suiteDir();
  let runtime: Runtime | null = null;
  let version = 0;
  beforeAll(async () => {
    version = await fillVersions(roots, backend);
  });
  afterEach(() => onStep(null));
  afterAll(async () => {
    // Whatever failed, the end of the runtime that it failed in leaves nothing, and there is nothing for the next start to find.
    await runtime?.close();
    expect(await tracesOf(roots)).toEqual([]);
    const next = await start(roots, backend);
    expect(await next.run({ userId: USER, code: codeOf(version + 1) })).toMatchObject({ ok: true });
    await next.close();
    expect(await tracesOf(roots)).toEqual([]);
  });

  it.each(stepsOn(backend))("%s", async (failAt) => {
    if (/^(open|close)\./.test(failAt)) {
      await runtime?.close();
      runtime = null;
    }
    runtime ??= await start(roots, backend);
    if (failAt === "commit.before-recorded") changeByHand(roots, ++version);
    const before = versionIn(roots);
    const failed = failOnce(failAt);
    version += 1;
    const result = await runtime.run({ userId: USER, runId: idOf(failAt), code: codeOf(version), ...KEEP_WHOLE });
    if (failAt.startsWith("close.")) {
      await expect(runtime.close()).rejects.toThrow(/EIO/);
      expect(result).toMatchObject({ status: "succeeded" });
      runtime = await start(roots, backend);
    } else if (failAt.startsWith("dispose.")) {
      await expect.poll(failed).toBe(true);
    }
    expect(failed(), "the step was not reached").toBe(true);
    expectTruth(result, failAt, before);

    version += 1;
    const next = await runtime.run({ userId: USER, code: codeOf(version) });
    expect(next, JSON.stringify(next.error)).toMatchObject({ status: "succeeded", workspace: { synced: true } });
    expect(versionIn(roots)).toBe(version);
  });

  function expectTruth(result: RunResult, failAt: string, before: number): void {
    const now = versionIn(roots);
    expect([before, version]).toContain(now);
    expect(result.workspace.synced, JSON.stringify(result.workspace)).toBe(now === version);
    if (HARMLESS.includes(failAt) || failAt.startsWith("close.")) {
      expect(result, JSON.stringify(result.error)).toMatchObject({ ok: true, workspace: { synced: true } });
      return;
    }
    expect(result.ok).toBe(false);
    expect(result.status).toBe("failed");
    expect(["internal", "sandbox_unavailable"]).toContain(result.error?.code);
    expect(result.error?.message).toMatch(/EIO|engine|supervisor|runner/);
    expect(result.error?.hint, JSON.stringify(result.error)).toBeDefined();
  }
});

function start(roots: string, backend: string): Promise<Runtime> {
  const [workspaceRoot, sandboxRoot] = [join(roots, "workspace"), join(roots, "sandbox")];
  return createRuntime({ backend, workspaceRoot, sandboxRoot, warm: 0, config: { versions: { keep: 2 } } });
}

/** The first time this process gets to the step, an error as the system's is thrown there. */
function failOnce(at: string): () => boolean {
  let failed = false;
  onStep((name) => {
    if (name !== at || failed) return;
    failed = true;
    throw Object.assign(new Error(`EIO: i/o error, ${at}`), { code: "EIO", errno: -5 });
  });
  return () => failed;
}
