// Accept: everything about a request that can be wrong is found here, before anything on disk has changed.
import { uuidv7 } from "uuidv7";
import type { Bundle, Scenario } from "../bundles/bundle.js";
import { chooseScenario } from "../bundles/choose.js";
import { parseContract } from "../contract/contract.js";
import type { Durability, SyncMode } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { ContractEntry } from "../model/files.js";
import type { RunResult } from "../model/result.js";
import type { Profile } from "../sandbox/profile.js";
import { resolveProfile, type Settings } from "../settings/settings.js";
import { checkUserId } from "../workspace/user-dir.js";
import { SecretNames } from "./redaction/names.js";
import { Redaction } from "./redaction/redaction.js";
import { parseRequest } from "./request.js";
import { checkRequirementNames } from "./require.js";

export interface AcceptedRun {
  runId: string;
  /** True when the caller chose the id: then the same id gives the same result again. */
  ownRunId: boolean;
  userId: string;
  turnId: string;
  ref: { userId: string; workspace: string | null | undefined };
  code: string;
  mode: RunResult["mode"];
  contract: ContractEntry[];
  scenario: Scenario | null;
  profile: Profile;
  timeoutMs: number;
  sync: SyncMode;
  durability: Durability;
  stdin: string | null;
  args: string[];
  env: Record<string, string>;
  labels: Record<string, string>;
  progName: string | null;
  /** What leaves the run goes through it first. */
  redaction: Redaction;
}

export interface AcceptContext {
  settings: Settings;
  bundle: Bundle | null;
  backendNames: readonly string[];
}

/** Throws IsoError whose code says what is wrong and whose `field` says where. */
export function accept(input: Record<string, unknown>, context: AcceptContext, isShaped = false): AcceptedRun {
  const request = parseRequest(input, isShaped);
  const { userId } = request;
  checkUserId(userId);
  const runId = request.runId ?? uuidv7();
  const turnId = request.turnId ?? runId;

  const scenario = request.scenario === undefined ? null : scenarioOf(context.bundle, request.scenario);
  const promised = scenario?.mode === "contract" ? scenario.contract(turnId) : undefined;
  // Null is a contract that somebody lost, not none: a run that checks nothing must not look like one that checked.
  const contractInput = request.contract === undefined ? promised : request.contract;
  const contract = contractInput === undefined ? [] : parseContract(contractInput);

  const wanted = { profile: request.profile ?? scenario?.profile, backend: request.backend };
  const profile = resolveProfile(context.settings, wanted, context.backendNames);
  const required = request.require === undefined ? profile.require : [...profile.require, ...request.require];
  checkRequirementNames(required, context.backendNames);

  const env = { ...profile.env, ...request.env };
  return {
    runId,
    ownRunId: request.runId !== undefined,
    userId,
    turnId,
    ref: { userId, workspace: request.workspace },
    code: request.code ?? scenario?.code ?? "",
    mode: contractInput === undefined ? "side-effects" : "contract",
    contract,
    scenario,
    profile: required === profile.require ? profile : { ...profile, require: required },
    timeoutMs: request.timeoutMs ?? scenario?.timeoutMs ?? profile.limits.timeout,
    sync: request.sync ?? "always",
    durability: request.durability ?? "process",
    stdin: request.stdin ?? null,
    args: request.args ?? [],
    env,
    labels: request.labels ?? {},
    progName: request.progName ?? null,
    redaction: new Redaction(new SecretNames(context.settings.secretNames), env),
  };
}

function scenarioOf(bundle: Bundle | null, text: string): Scenario {
  if (bundle) return chooseScenario(bundle, text);
  throw new IsoError("unknown_scenario", "No bundle is loaded, so there are no scenarios to choose from.", {
    hint: "Load a bundle, or leave out the tools of your own to get the built-in one.",
    field: "scenario",
  });
}
