// One line of history a run, in `.iso-runtime/history.jsonl` of the workspace root. Appended whole, so that processes may share the file.
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunResult } from "../model/result.js";

interface Given {
  labels: Readonly<Record<string, string>>;
  envNames: readonly string[];
  progName: string | null;
}

export class History {
  readonly #file: string;

  /** `stateDir` is the workspace root's `.iso-runtime`. */
  constructor(stateDir: string) {
    this.#file = join(stateDir, "history.jsonl");
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
    await appendFile(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
  }
}
