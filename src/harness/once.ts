// A run id of the caller's own gives one run: at once, later, in this process or the next.
import { IsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { step } from "../model/steps.js";
import type { RunIds } from "../records/run-ids.js";
import type { AcceptedRun } from "./accept.js";
import { blankResult, errorOf } from "./result.js";

export class Once {
  readonly #ids: RunIds;
  readonly #underWay = new Map<string, Promise<RunResult>>();

  constructor(ids: RunIds) {
    this.#ids = ids;
  }

  /** Calls `start` unless the id was used before; then its first result is the answer. */
  async run(request: AcceptedRun, start: () => Promise<RunResult>): Promise<RunResult> {
    if (!request.ownRunId) return await start();
    const key = JSON.stringify([request.userId, request.runId]);
    const running = this.#underWay.get(key);
    if (running) return await running;
    const work = this.#claimed(request, start, () => this.#underWay.delete(key));
    this.#underWay.set(key, work);
    return await work;
  }

  /** The result of an earlier run with an id of its caller's own; null where there is none yet. */
  async find(userId: string, runId: string): Promise<RunResult | null> {
    const found = await this.#ids.find(userId, runId);
    return found === "interrupted" ? interruptedResult({ userId, runId, mode: "side-effects" }) : found;
  }

  async #claimed(request: AcceptedRun, start: () => Promise<RunResult>, forget: () => void): Promise<RunResult> {
    const { userId, runId } = request;
    let result: RunResult;
    let claimed = false;
    try {
      const claim = await this.#ids.claim(userId, runId);
      claimed = claim.state === "new";
      step("runid.claimed");
      if (claim.state === "finished") {
        forget();
        return claim.result;
      }
      result = claim.state === "interrupted" ? interruptedResult(request) : await start();
    } catch (error) {
      // `start` gives every ending as a result: nothing ran, so the id is free again.
      if (claimed) await this.#ids.unclaim(userId, runId).catch(() => undefined);
      forget();
      throw error;
    }
    // What ran has run, also where its result cannot be written down: then it is remembered for as long as this process lives.
    await this.#ids.finish(userId, runId, result).then(forget, () => undefined);
    return result;
  }
}

/** The first run with this id died with its process: it may or may not have written files, so it is not run again unasked. */
export function interruptedResult(
  request: Pick<AcceptedRun, "userId" | "runId" | "mode"> & { turnId?: string; scenario?: unknown },
): RunResult {
  const error = new IsoError("interrupted", `The process that ran "${request.runId}" ended before the run did.`, {
    hint: "The workspace is whole: as it was before that run, or as it was after it. Run it again with another runId, or over HTTP with another Idempotency-Key.",
  });
  const { userId, runId, mode } = request;
  const blank = blankResult({ userId, runId, turnId: request.turnId });
  const scenario = typeof request.scenario === "string" ? request.scenario : null;
  return { ...blank, status: "failed", mode, scenario, error: errorOf(error) };
}
