// Results by the caller's own run id: the same id again gives the first result, also from another process and after a crash.
// Synchronous, as the history is: a few short calls take less time than handing them to another thread and waiting for it.
// One folder a user, one file an id: first a claim that names the process at work, then the result in its place.
import { createHash } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import { MAX_RESULT_BYTES, RESULT_SCHEMA, type RunResult } from "../model/result.js";
import { step } from "../model/steps.js";

export type Claim = { state: "new" } | { state: "finished"; result: RunResult } | { state: "interrupted" };

export interface RunIdOwner {
  readonly id: string;
  isAlive(instanceId: string): Promise<boolean>;
}

export class RunIds {
  readonly #dir: string;
  readonly #owner: RunIdOwner;

  /** `stateDir` is the workspace root's `.iso-runtime`. */
  constructor(stateDir: string, owner: RunIdOwner) {
    this.#dir = runsDir(stateDir);
    this.#owner = owner;
  }

  /** Claims an id for a new run, or tells how the run that had it ended. Throws `invalid_request` while another process is at it. */
  async claim(userId: string, runId: string): Promise<Claim> {
    const file = resultFile(this.#dir, userId, runId);
    mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
    const mark = `${file}.${this.#owner.id}`;
    try {
      writeFileSync(mark, JSON.stringify({ claimedBy: this.#owner.id }), { mode: 0o600 });
      linkSync(mark, file);
      return { state: "new" };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      return await this.#existing(file, runId);
    } finally {
      rmSync(mark, { force: true });
    }
  }

  /** How the run with this id ended; null where there was none, or it is under way still. */
  async find(userId: string, runId: string): Promise<RunResult | "interrupted" | null> {
    try {
      const found = await this.#existing(resultFile(this.#dir, userId, runId), runId);
      return found.state === "finished" ? found.result : "interrupted";
    } catch (error) {
      if (error instanceof IsoError || (error instanceof Error && "code" in error && error.code === "ENOENT"))
        return null;
      throw error;
    }
  }

  /** Gives up a claim of ours for which nothing ran. */
  async unclaim(userId: string, runId: string): Promise<void> {
    rmSync(resultFile(this.#dir, userId, runId), { force: true });
  }

  /** Puts the result in the place of the claim. */
  async finish(userId: string, runId: string, result: RunResult): Promise<void> {
    const file = resultFile(this.#dir, userId, runId);
    const whole = `${file}.${this.#owner.id}`;
    try {
      writeFileSync(whole, JSON.stringify(result), { mode: 0o600 });
      step("runid.written");
      renameSync(whole, file);
      step("runid.placed");
    } catch (error) {
      rmSync(whole, { force: true });
      throw error;
    }
  }

  async #existing(file: string, runId: string): Promise<Claim> {
    const text = readFileSync(file, "utf8");
    const found: unknown = text.length <= 2 * MAX_RESULT_BYTES ? JSON.parse(text) : null;
    if (isResult(found)) return { state: "finished", result: found };
    const claimedBy = claimOf(found);
    if (claimedBy !== null && (await this.#owner.isAlive(claimedBy))) {
      throw new IsoError("invalid_request", `runId: "${runId}" is under way in another process`, {
        field: "runId",
        hint: "Wait for it to end, then ask again for its result, or choose another id.",
      });
    }
    return { state: "interrupted" };
  }
}

export const runsDir = (stateDir: string): string => join(stateDir, "runs");

/** A hash keeps file systems that fold case from mixing ids that differ only in it. */
export const hashName = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

export function resultFile(dir: string, userId: string, runId: string): string {
  return join(dir, hashName(userId), `${hashName(runId)}.json`);
}

export function wholeResult(value: unknown): RunResult | null {
  return isResult(value) ? value : null;
}

/** Written by us in a folder only we can enter; the schema's name is enough to tell a result from a claim. */
function isResult(value: unknown): value is RunResult {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === RESULT_SCHEMA;
}

function claimOf(value: unknown): string | null {
  const named = typeof value === "object" && value !== null && "claimedBy" in value ? value.claimedBy : null;
  return typeof named === "string" ? named : null;
}
