// What `doctor --attack` says: one document, whose shape CI may rely on.
import type { Policy, SandboxReport } from "../model/result.js";
import type { Outcome, Verdict } from "./attack.js";

export const ATTACK_SCHEMA = "iso-runtime/attack-report@1";

export interface AttackReport {
  readonly schema: typeof ATTACK_SCHEMA;
  /** Nothing got through but what the policy says nothing holds, and all could be judged. */
  readonly ok: boolean;
  readonly backend: string;
  readonly profile: string;
  readonly python: { readonly path: string; readonly version: string };
  readonly policy: Policy;
  readonly totals: Readonly<Record<Outcome, number>>;
  readonly attacks: readonly Verdict[];
}

const OUTCOMES = [
  "held",
  "got_through",
  "unprotected",
  "not_applicable",
  "unclear",
] as const satisfies readonly Outcome[];

export function makeReport(sandbox: SandboxReport, profile: string, verdicts: readonly Verdict[]): AttackReport {
  const count = (wanted: Outcome) => verdicts.filter(({ outcome }) => outcome === wanted).length;
  const totals = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count(outcome)])) as Record<Outcome, number>;
  return {
    schema: ATTACK_SCHEMA,
    ok: totals.got_through === 0 && totals.unclear === 0,
    ...{ backend: sandbox.backend, profile, python: sandbox.python, policy: sandbox.policy },
    ...{ totals, attacks: verdicts },
  };
}
