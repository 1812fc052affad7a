// The sides of the benchmark: a bare interpreter, and the library with one backend, one kind of start, so many runs at once and
// workspaces of one size. A turn of each is short, so that they can take turns.
import { createRuntime, type Runtime } from "../harness/runtime.js";
import { IsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import type { Interpreter } from "../sandbox/linux/interpreter.js";
import { ask } from "../sandbox/linux/spawn.js";
import type { Start } from "./options.js";

/** Runs of each worker, one after another, of which a turn takes its rate. */
const EACH = 3;
const BARE_TIMEOUT_MS = 60_000;
const FILL_TIMEOUT_MS = 600_000;
const MOST_FILES_A_RUN = 10_000;
const FILES_A_FOLDER = 1000;

export const STANDARD = "print(1) that writes one file, with contract, diff and sync";

export interface SideKey {
  /** Null: the bare interpreter. */
  readonly backend: string | null;
  readonly start: Start | null;
  readonly concurrency: number;
  readonly files: number | null;
}

export interface Turn {
  readonly latenciesMs: readonly number[];
  readonly runsPerSecond: number;
  /** Why a latency is not among them, once for each. */
  readonly leftOut: readonly string[];
}

export interface Side extends SideKey {
  turn(): Promise<Turn>;
}

/** `python3 -I -c pass`, started as often and as many at once as the runs beside it. */
export function bareSide({ executable }: Interpreter, concurrency: number): Side {
  const run = async () => {
    const { exitCode, stderr } = await ask(executable, ["-I", "-c", "pass"], { timeoutMs: BARE_TIMEOUT_MS });
    if (exitCode !== 0)
      throw new IsoError("internal", `${executable} -I -c pass did not end well: ${stderr.slice(0, 500)}`);
    return null;
  };
  const turn = () => takeTurn(concurrency, run);
  return { backend: null, start: null, concurrency, files: null, turn };
}

export interface LibraryOptions {
  readonly backend: string;
  readonly start: Start;
  readonly concurrency: number;
  readonly code: string | null;
  readonly roots: { readonly workspaceRoot: string; readonly sandboxRoot: string };
  readonly given: { readonly profile?: string; readonly config?: string };
  readonly signal: AbortSignal | undefined;
}

/** One runtime, and its sides for each size of workspace. */
export class LibrarySides {
  readonly #runtime: Runtime;
  readonly #options: LibraryOptions;
  #written = 0;

  private constructor(runtime: Runtime, options: LibraryOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  static async open(options: LibraryOptions): Promise<LibrarySides> {
    const { backend, start, concurrency, roots, given } = options;
    const warm = start === "warm" ? concurrency : 0;
    return new LibrarySides(await createRuntime({ ...given, ...roots, backend, warm }), options);
  }

  /** Fills the workspaces, and runs what is measured once in each: throws IsoError where it does not succeed. */
  async side(files: number): Promise<Side> {
    const { backend, start, concurrency } = this.#options;
    for (let worker = 0; worker < concurrency; worker++) {
      await this.#fill(userOf(files, worker), files);
      await this.#run(userOf(files, worker));
    }
    const turn = () =>
      takeTurn(concurrency, async (worker) => {
        const { sandbox } = await this.#run(userOf(files, worker));
        return start === "warm" && sandbox?.warm === false ? "no sandbox was ready" : null;
      });
    return { backend, start, concurrency, files, turn };
  }

  /** No sandbox is being booted any more. */
  async settle(): Promise<void> {
    await this.#runtime.warm();
  }

  async close(): Promise<void> {
    await this.#runtime.close();
  }

  async #fill(userId: string, files: number): Promise<void> {
    const { profiles, defaultProfile } = this.#runtime.settings;
    const most = Math.min(MOST_FILES_A_RUN, profiles.get(defaultProfile)?.limits.files ?? MOST_FILES_A_RUN);
    for (let first = 0; first < files; first += most) {
      const code = fillProgram(first, Math.min(files, first + most));
      checked(await this.#runtime.run({ userId, code, timeoutMs: FILL_TIMEOUT_MS, ...this.#signal }));
    }
  }

  async #run(userId: string): Promise<RunResult> {
    const { code } = this.#options;
    const request = code === null ? standardRequest(this.#written++) : { code };
    return checked(await this.#runtime.run({ userId, ...request, ...this.#signal }));
  }

  get #signal() {
    const { signal } = this.#options;
    return signal && { signal };
  }
}

/** Never the same content twice: a workspace that is as it was is not synced. */
function standardRequest(count: number) {
  const code = `import os\nprint(1)\nwith open(os.environ["OUTPUT_DIR"] + "/bench.txt", "w") as file:\n    file.write("${count}")\n`;
  return { code, contract: [{ path: "bench.txt", description: "what the benchmark wrote" }] };
}

function fillProgram(first: number, end: number): string {
  return `
import os
for number in range(${first}, ${end}):
    folder = f"{os.environ['OUTPUT_DIR']}/files/{number // ${FILES_A_FOLDER}}"
    if number % ${FILES_A_FOLDER} == 0 or number == ${first}:
        os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{number}", "w") as file:
        file.write(f"{number}\\n" * 50)
`;
}

/** The first run of each worker is timed by itself; then all go on without a pause, and their rate is taken. */
async function takeTurn(concurrency: number, run: (worker: number) => Promise<string | null>): Promise<Turn> {
  const workers = Array.from({ length: concurrency }, (_, worker) => worker);
  const leftOut: string[] = [];
  const latenciesMs: number[] = [];
  await Promise.all(
    workers.map(async (worker) => {
      const startedAt = performance.now();
      const reason = await run(worker);
      if (reason === null) latenciesMs.push(performance.now() - startedAt);
      else leftOut.push(reason);
    }),
  );
  const startedAt = performance.now();
  await Promise.all(
    workers.map(async (worker) => {
      for (let count = 0; count < EACH; count++) await run(worker);
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { latenciesMs, runsPerSecond: (concurrency * EACH) / seconds, leftOut };
}

const userOf = (files: number, worker: number): string => `bench-${files}-${worker}`;

function checked(result: RunResult): RunResult {
  if (result.ok) return result;
  const { error, status } = result;
  throw new IsoError(error?.code ?? "internal", `A run of the benchmark did not succeed: ${error?.message ?? status}`, {
    ...(error?.hint !== undefined && { hint: error.hint }),
  });
}
