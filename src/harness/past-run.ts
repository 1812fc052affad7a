// A run that somebody asked for again by its key: one that this process remembers no more, or never took.
import { IsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import type { EarlierRun } from "./run-history.js";
import type { TakenRun } from "./runtime.js";

export type RunState = "queued" | "running" | "waiting";

/** A run that was asked for: a new one, or one of before. */
export interface AskedRun extends Pick<TakenRun, "runId" | "userId" | "turnId" | "mode" | "scenario"> {
  /** When it was taken, as its id has it. */
  readonly acceptedAt: string;
  readonly state: RunState;
  /** Null until it has ended. */
  readonly result: RunResult | null;
  readonly ended: Promise<RunResult>;
}

/** The run that a key has, where the request is the same. */
export function same(isSame: boolean, run: AskedRun): AskedRun {
  if (isSame) return run;
  throw new IsoError("conflict", "This Idempotency-Key was used for another request.", {
    field: "Idempotency-Key",
    hint: "Send the same body to get the same run, or choose a new key.",
  });
}

export class PastRun implements AskedRun {
  readonly runId: string;
  readonly userId: string;
  readonly turnId: string;
  readonly mode: RunResult["mode"];
  readonly scenario: string | null;
  readonly acceptedAt: string;
  readonly state = "running";
  readonly result: RunResult | null;
  readonly #ended: EarlierRun["ended"];

  constructor({ record, result, ended }: EarlierRun) {
    ({
      runId: this.runId,
      userId: this.userId,
      turnId: this.turnId,
      mode: this.mode,
      scenario: this.scenario,
      acceptedAt: this.acceptedAt,
    } = record);
    this.result = result;
    this.#ended = ended;
  }

  get ended(): Promise<RunResult> {
    return this.result === null ? this.#ended() : Promise.resolve(this.result);
  }
}
