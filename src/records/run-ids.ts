// Results by the caller's own run id: the same id again gives the first result, also from another process and after a crash.
// Synchronous, as the history is: a few short calls take less time than handing them to another thread and waiting for it.
// One folder a user, one file an id: first a claim that names the process at work, then the result in its place. A run that a service took
// needs no claim: its id is new, and what was asked for is on disk and names the process (run-files.ts).
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import { MAX_RESULT_BYTES, RESULT_SCHEMA, type RunResult } from "../model/result.js";
import { step } from "../model/steps.js";
import { errnoOf } from "../safefs/errors.js";
import { claimName, putWhole } from "./whole-file.js";

/** Of what a service was asked for. */
export const REQUEST_END = ".request.json";

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
    // A service's run has no claim, and yet nobody else may have its id.
    const isTaken = takerOf(file) !== null;
    const claim = JSON.stringify({ claimedBy: this.#owner.id });
    if (!isTaken && claimName(file, claim, this.#owner.id)) return { state: "new" };
    // Whoever had it may have given it up in this instant.
    return (await this.#existing(file, runId)) ?? (await this.claim(userId, runId));
  }

  /** How the run with this id ended; null where there was none, or it is under way still. */
  async find(userId: string, runId: string): Promise<RunResult | "interrupted" | null> {
    try {
      const found = await this.#existing(resultFile(this.#dir, userId, runId), runId);
      if (found === null) return null;
      return found.state === "finished" ? found.result : "interrupted";
    } catch (error) {
      if (error instanceof IsoError) return null;
      throw error;
    }
  }

  /** Gives up a claim of ours for which nothing ran. */
  async unclaim(userId: string, runId: string): Promise<void> {
    rmSync(resultFile(this.#dir, userId, runId), { force: true });
  }

  /** Puts the result in the place of the claim, or where one would be. */
  async finish(userId: string, runId: string, result: RunResult): Promise<void> {
    const file = resultFile(this.#dir, userId, runId);
    putWhole(file, JSON.stringify(result), this.#owner.id, () => step("runid.written"));
    step("runid.placed");
  }

  /** Null where nobody has the id. */
  async #existing(file: string, runId: string): Promise<Exclude<Claim, { state: "new" }> | null> {
    const text = textOf(file);
    const found: unknown = text !== null && text.length <= 2 * MAX_RESULT_BYTES ? JSON.parse(text) : null;
    if (isResult(found)) return { state: "finished", result: found };
    const claimedBy = text === null ? takerOf(file) : nameIn(found, "claimedBy");
    if (text === null && claimedBy === null) return null;
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

/** Of users and runs at work, whose names are asked for a dozen times a run. */
const NAMES_KEPT = 1000;
const names = new Map<string, string>();

/** A hash keeps file systems that fold case from mixing ids that differ only in it. */
export function hashName(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = createHash("sha256").update(text).digest("hex").slice(0, 32);
  if (names.size >= NAMES_KEPT) names.clear();
  names.set(text, name);
  return name;
}

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

/** The process of the service that took the run with this result; null where none did. */
function takerOf(file: string): string | null {
  const asked = file.replace(/\.json$/, REQUEST_END);
  if (!existsSync(asked)) return null;
  try {
    return nameIn(JSON.parse(readFileSync(asked, "utf8")), "owner");
  } catch (error) {
    // Where it is not whole its process died before anybody heard of the run.
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

function nameIn(value: unknown, key: string): string | null {
  const named = typeof value === "object" && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : null;
  return typeof named === "string" ? named : null;
}

/** Null where there is no such file. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  }
}
