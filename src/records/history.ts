// One line of history a run, in `.iso-runtime/history.jsonl` of the workspace root. Appended whole, so that processes may share the file.
// A full file becomes `history.1.jsonl`, in the place of the one before: the two together are what is remembered.
import { closeSync, fstatSync, openSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { step } from "../model/steps.js";
import { readAt, writeAll } from "../safefs/descriptor.js";

const MAX_FILE_BYTES = 32 * MiB;
const LINE_BREAK = 10;

interface Given {
  labels: Readonly<Record<string, string>>;
  envNames: readonly string[];
  progName: string | null;
}

export class History {
  readonly #file: string;
  readonly #older: string;
  readonly #maxBytes: number;
  /** Where the file ended with a line of ours: it is whole as long as it is as long. */
  #end: { ino: number; size: number } | null = null;

  /** `stateDir` is the workspace root's `.iso-runtime`. */
  constructor(stateDir: string, maxBytes = MAX_FILE_BYTES) {
    this.#file = join(stateDir, "history.jsonl");
    this.#older = join(stateDir, "history.1.jsonl");
    this.#maxBytes = maxBytes;
  }

  /**
   * Of what the caller gave, labels and the names of variables are kept, never a variable's value. Synchronous: four short calls of the
   * system take less time than handing them to another thread and waiting for it.
   */
  append(result: RunResult, given: Given): void {
    const { runId, userId, turnId, mode, status, scenario, error, totals, timings, sandbox } = result;
    const line = {
      at: new Date().toISOString(),
      ...{ runId, userId, turnId, mode, status, scenario, code: error?.code ?? null, totals },
      ...given,
      ...{ totalMs: timings?.totalMs ?? null, backend: sandbox?.backend ?? null, profile: sandbox?.profile ?? null },
    };
    this.#append(`${JSON.stringify(line)}\n`);
  }

  #append(line: string): void {
    const fd = openSync(this.#file, "a+", 0o600);
    try {
      const { size, ino } = fstatSync(fd);
      // A disk that was full may have cut the last line: the next one begins its own.
      const isWhole =
        size === 0 || (this.#end?.ino === ino && this.#end.size === size) || readAt(fd, size - 1, 1)[0] === LINE_BREAK;
      const bytes = Buffer.from(isWhole ? line : `\n${line}`);
      this.#end = null;
      writeAll(fd, bytes);
      this.#end = { ino, size: size + bytes.length };
      step("history.written");
      if (size < this.#maxBytes) return;
      // Another process may have moved it away meanwhile: then there is a new one, which is not full.
      if (statSync(this.#file, { throwIfNoEntry: false })?.ino === ino) renameSync(this.#file, this.#older);
    } finally {
      closeSync(fd);
    }
  }
}
