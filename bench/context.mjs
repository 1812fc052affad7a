// What a row measures with: roots of its own, runtimes on its backend, and the bare interpreter that both sides share.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createRuntime } from "../dist/index.js";
import { settled } from "./rounds.mjs";

const execute = promisify(execFile);
/** The same for the bare side and for sandboxes: one through a version manager's environment starts in another time. */
export const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
export const IMAGE = "iso-runtime/python:3.12";
const CONTRACT = [{ path: "bench.txt", description: "what the benchmark wrote" }];

/**
 * So many runs, for no longer than this, go before what is counted: a process is measured as one that serves, not as one whose first hundred
 * runs are compiled meanwhile. What a process's first run costs, the row `cli` tells.
 */
const AHEAD = { runs: 200, ms: 8000 };

/** This row cannot be measured here; the sentence says why. */
export class Skip extends Error {}

export class Context {
  #roots = mkdtempSync(join(tmpdir(), "iso-bench-"));
  #runtimes = [];
  #made = 0;
  #written = 0;

  constructor({ backend, rounds, flags }) {
    Object.assign(this, { backend, rounds, flags, python: PYTHON });
  }

  /** A folder of this row's own. */
  folder(name) {
    return join(this.#roots, name);
  }

  /** The folder that holds them all. */
  get root() {
    return this.#roots;
  }

  /** A runtime whose `request` gives the result of a run that succeeded. Many ran; with `fresh` one, with `unused` none. Throws Skip where the backend does not work here. */
  async runtime(options = {}, { unused = false, fresh = unused } = {}) {
    const root = this.folder(`r${this.#made++}`);
    const runtime = await createRuntime({
      ...{ backend: this.backend, python: PYTHON, workspaceRoot: join(root, "w"), sandboxRoot: join(root, "s") },
      ...options,
    });
    this.#runtimes.push(runtime);
    const request = async (given) => {
      const result = await runtime.run({ userId: "bench", ...given });
      if (result.ok) return result;
      throw Object.assign(new Error(`${result.error.code}: ${result.error.message}`), { code: result.error.code });
    };
    // Only the first says that the backend does not work here; a later one that finds no sandbox is a fault.
    if (!unused)
      await request({ userId: "first", code: "print(1)" }).catch((error) => {
        throw error.code === "sandbox_unavailable" ? new Skip(error.message) : error;
      });
    if (!fresh) await this.ahead(() => request(this.change()));
    return { request, close: () => runtime.close(), settled: () => settled([runtime]), runtime };
  }

  async ahead(run) {
    const endsAt = performance.now() + AHEAD.ms;
    for (let count = 0; count < AHEAD.runs && performance.now() < endsAt; count += 1) await run();
  }

  /** `print(1)` with one file of new content: a workspace that is as it was is not synced. */
  change() {
    const code = `import os\nprint(1)\nopen(os.environ["OUTPUT_DIR"] + "/bench.txt", "w").write("${this.#written++}")`;
    return { code, contract: CONTRACT };
  }

  bare = async () => void (await execute(PYTHON, ["-I", "-c", "pass"], { timeout: 20_000 }));

  run = async (command, args, options = {}) => (await execute(command, args, { timeout: 120_000, ...options })).stdout;

  spawn(command, args, options) {
    return spawn(command, args, options);
  }

  async close() {
    await Promise.allSettled(this.#runtimes.map((runtime) => runtime.close()));
    rmSync(this.#roots, { recursive: true, force: true });
  }
}

export const ms = (value) => `${value.toFixed(value < 10 ? 2 : 1)} ms`;

/** So many workers, each doing its next task when one is done. */
export async function inParallel(workers, tasks, task) {
  let next = 0;
  const work = async (worker) => {
    for (let number = next++; number < tasks; number = next++) await task(worker, number);
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
}
