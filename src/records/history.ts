// One line of history a run, in `.iso-runtime/history.jsonl` of the workspace root. Appended whole, so that processes may share the file.
// A full file becomes `history.1.jsonl`, in the place of the one before: the two together are what is remembered.
import { open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { step } from "../model/steps.js";

const MAX_FILE_BYTES = 32 * MiB;

interface Given {
  labels: Readonly<Record<string, string>>;
  envNames: readonly string[];
  progName: string | null;
}

export class History {
  readonly #file: string;
  readonly #older: string;
  readonly #maxBytes: number;

  /** `stateDir` is the workspace root's `.iso-runtime`. */
  constructor(stateDir: string, maxBytes = MAX_FILE_BYTES) {
    this.#file = join(stateDir, "history.jsonl");
    this.#older = join(stateDir, "history.1.jsonl");
    this.#maxBytes = maxBytes;
  }

  /** Of what the caller gave, labels and the names of variables are kept, never a variable's value. */
  async append(result: RunResult, given: Given): Promise<void> {
    const { runId, userId, turnId, mode, status, scenario, error, totals, timings, sandbox } = result;
    const line = {
      at: new Date().toISOString(),
      ...{ runId, userId, turnId, mode, status, scenario, code: error?.code ?? null, totals },
      ...given,
      ...{ totalMs: timings?.totalMs ?? null, backend: sandbox?.backend ?? null, profile: sandbox?.profile ?? null },
    };
    await this.#append(`${JSON.stringify(line)}\n`);
  }

  async #append(line: string): Promise<void> {
    await using file = await open(this.#file, "a+", 0o600);
    const { size, ino } = await file.stat();
    // A disk that was full may have cut the last line: the next one begins its own.
    const end = Buffer.alloc(1);
    if (size > 0) await file.read(end, 0, 1, size - 1);
    const whole = size === 0 || end.toString() === "\n";
    await file.appendFile(whole ? line : `\n${line}`);
    step("history.written");
    if (size < this.#maxBytes) return;
    // Another process may have moved it away meanwhile: then there is a new one, which is not full.
    const now = await stat(this.#file).catch(() => null);
    if (now?.ino === ino) await rename(this.#file, this.#older);
  }
}
