// What an attack is: something a program tries, who should hold it, and how what came of it is judged. The judging is the host's;
// what the sandbox says of itself is never the verdict of an attack that the host can see for itself.

import type { RunRequest } from "../harness/request.js";
import type { LimitName, Limits } from "../model/limits.js";
import type { Policy, RunResult } from "../model/result.js";
import type { Layer } from "../sandbox/layers.js";
import type { Scene } from "./scene.js";

/**
 * `unprotected`: it got through, and the policy had said that nothing holds it on this host. `unclear`: it could not be judged,
 * which counts as got through.
 */
export type Outcome = "held" | "got_through" | "unprotected" | "not_applicable" | "unclear";

export interface Judgement {
  readonly outcome: Outcome;
  /** The layer that the evidence points to; null where it was none of ours, or nothing held. */
  readonly heldBy: Layer | null;
  /** What was seen: an errno, a row of the policy, an ending. */
  readonly evidence: string;
}

interface Head {
  readonly name: string;
  /** A sentence: what the program tries. */
  readonly tries: string;
  /** Whose work it is to hold it; where several are named, each alone does. */
  readonly layers: readonly Layer[];
}

/** What came of a probe inside. */
export type Seen =
  | { readonly done: unknown }
  | { readonly absent: string }
  | { readonly errno: string }
  | { readonly signal: string }
  | { readonly failed: string };

/** A few lines of Python. They return what they got, raise the OSError that refused them, or call `absent(why)`. */
export interface Probe extends Head {
  readonly kind: "probe";
  readonly python: string;
  /** Whom an answer points to, by errno, signal or "absent". */
  readonly holders: Readonly<Record<string, Layer>>;
  /** Only the answers in `holders` are a refusal: any other one comes from the code in the kernel that it must not reach. */
  readonly strict?: boolean;
  /** Why it means nothing here; null where it does. */
  notHere?(scene: Scene): string | null;
}

/** A run of its own, for what only the host can judge. */
export interface RunAttack extends Head {
  readonly kind: "run";
  /** Small ones, so that nothing is hurt and no time is lost. */
  readonly limits?: Partial<Limits>;
  /** The row of the policy that tells who enforces it. */
  readonly limit?: LimitName;
  request(scene: Scene): Pick<RunRequest, "code" | "timeoutMs" | "contract">;
  judge(result: RunResult, scene: Scene): Judgement | Promise<Judgement>;
  notHere?(scene: Scene): string | null;
}

export type Attack = Probe | RunAttack;

export interface Verdict extends Judgement {
  readonly name: string;
  readonly tries: string;
  readonly layers: readonly Layer[];
}

export const held = (heldBy: Layer | null, evidence: string): Judgement => ({ outcome: "held", heldBy, evidence });
export const gotThrough = (evidence: string): Judgement => ({ outcome: "got_through", heldBy: null, evidence });
export const unclear = (evidence: string): Judgement => ({ outcome: "unclear", heldBy: null, evidence });

export function verdictOf({ name, tries, layers }: Attack, judgement: Judgement): Verdict {
  return { name, tries, layers, ...judgement };
}

export function judgeProbe(probe: Probe, seen: Seen | undefined, policy: Policy): Judgement {
  if (seen === undefined) return unclear("the program that tried it ended before it told");
  if ("done" in seen) return gotThrough(`done: ${JSON.stringify(seen.done) ?? "nothing"}`);
  if ("failed" in seen) return unclear(seen.failed);
  const [answer, evidence] =
    "errno" in seen
      ? [seen.errno, `refused with ${seen.errno}`]
      : "signal" in seen
        ? [seen.signal, `ended by ${seen.signal}`]
        : ["absent", seen.absent];
  const holder = probe.holders[answer] ?? null;
  if (probe.strict && holder === null) return gotThrough(`${evidence}, by the code it was after`);
  if ("signal" in seen && holder === null) return unclear(evidence);
  // A refusal that looks like a filter's is none where no filter is on.
  const isFilter = holder === "seccomp" && !policy.isolation.seccomp;
  return held(isFilter ? null : holder, evidence);
}
