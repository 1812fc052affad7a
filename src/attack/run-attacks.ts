// The story of `doctor --attack`: roots of its own, decoys, one run for all probes and one for each attack on a limit, two at a
// time, and a report. The operator's workspaces are not touched, and nothing is left.
import { z } from "zod";
import type { RuntimeOptions } from "../harness/options.js";
import { checkRequirementNames } from "../harness/require.js";
import { createSeamedRuntime, type Runtime } from "../harness/runtime.js";
import type { Seams } from "../harness/seams.js";
import { IsoError } from "../model/errors.js";
import { DEFAULT_LIMITS, type Limits, MiB } from "../model/limits.js";
import type { Policy, RunResult } from "../model/result.js";
import type { Profile } from "../sandbox/profile.js";
import { processEnvironment } from "../settings/environment.js";
import { loadSettings, resolveProfile } from "../settings/settings.js";
import { defineTool } from "../tools/define-tool.js";
import type { ToolDescriptor } from "../tools/subsystem.js";
import { makeScratchRoots } from "../workspace/scratch.js";
import { type Attack, gotThrough, judgeProbe, type Probe, type RunAttack, type Verdict, verdictOf } from "./attack.js";
import { ATTACKS } from "./attacks.js";
import { probeProgram, readAnswers } from "./probe-program.js";
import { type AttackReport, makeReport } from "./report.js";
import { plantDecoyVariable, type Scene, setDecoys } from "./scene.js";

export interface AttackOptions extends Pick<RuntimeOptions, "backend" | "config" | "profile"> {
  /** What must really be enforced, beside what the profile requires. */
  readonly require?: readonly string[];
  /** Only those of these names. */
  readonly only?: readonly string[];
  readonly signal?: AbortSignal;
  onVerdict?(verdict: Verdict, done: number, all: number): void;
}

const AT_ONCE = 2;
const PROBE_TIMEOUT_MS = 120_000;
/** Bounds of probes are the defaults where the profile's own are smaller: what is tried is not the limits. */
const PROBE_MEMORY = 128 * MiB;

/** Throws IsoError `sandbox_unavailable` where no sandbox can be had, and others for what is wrong in the options. */
export async function runAttacks(options: AttackOptions, seams: Seams = {}): Promise<AttackReport> {
  const { backend, config, profile: profileName, require = [], signal, onVerdict } = options;
  const settings = loadSettings({ flags: { backend, config, profile: profileName }, ...processEnvironment() });
  const attacks = ATTACKS.filter(({ name }) => options.only?.includes(name) ?? true);
  await using roots = await makeScratchRoots(settings.sandboxRoot);
  let forbiddenRan = false;
  const tools = attackTools(seams, () => {
    forbiddenRan = true;
  });
  const { workspaceRoot, sandboxRoot } = roots;
  const given = { backend, config, profile: profileName };
  const chosen = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  using variable = plantDecoyVariable();
  await using runtime = await createSeamedRuntime({ ...chosen, workspaceRoot, sandboxRoot, tools, warm: 0 }, seams);
  const profile = resolveProfile(runtime.settings, {}, runtime.backendNames);
  const required = [...profile.require, ...require];
  checkRequirementNames(required, runtime.backendNames);
  signal?.throwIfAborted();

  const victim = await makeVictim(runtime, profile, required, signal);
  await using decoys = await setDecoys(variable, victim.folders, settings.dockerHost);
  const verdicts: Verdict[] = [];
  const tell = (verdict: Verdict) => {
    verdicts.push(verdict);
    onVerdict?.(verdict, verdicts.length, attacks.length);
  };
  const { sandbox } = victim.result;
  const scene: Scene = {
    ...{ backend: sandbox.backend, policy: sandbox.policy, isRoot: process.getuid?.() === 0 },
    ...{ secret: decoys.secret, facts: decoys.facts, forbiddenToolRan: () => forbiddenRan },
  };
  const here = attacks.filter((attack) => {
    const reason = attack.notHere?.(scene) ?? null;
    if (reason === null) return true;
    tell(verdictOf(attack, { outcome: "not_applicable", heldBy: null, evidence: reason }));
    return false;
  });
  await attempt(here, { runtime, profile, scene, required, tell, signal });
  const order = attacks.map(({ name }) => name);
  verdicts.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return makeReport(sandbox, profile.name, verdicts);
}

interface Attempting {
  readonly runtime: Runtime;
  readonly profile: Profile;
  readonly scene: Scene;
  readonly required: readonly string[];
  tell(verdict: Verdict): void;
  readonly signal: AbortSignal | undefined;
}

async function attempt(attacks: readonly Attack[], parts: Attempting): Promise<void> {
  const probes = attacks.filter((attack) => attack.kind === "probe");
  const runs = attacks.filter((attack) => attack.kind === "run");
  const work = [
    ...(probes.length > 0 ? [() => probe(probes, parts)] : []),
    ...runs.map((each) => () => runOne(each, parts)),
  ];
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) await next();
  });
  await Promise.all(workers);
}

async function probe(probes: readonly Probe[], parts: Attempting): Promise<void> {
  const { limits } = parts.profile;
  const roomy = {
    ...limits,
    memory: Math.max(limits.memory, PROBE_MEMORY),
    processes: DEFAULT_LIMITS.processes,
    openFiles: DEFAULT_LIMITS.openFiles,
    output: DEFAULT_LIMITS.output,
  };
  const facts = { ...parts.scene.facts, MEMORY: roomy.memory };
  const code = probeProgram(probes, facts);
  const result = await run(parts, "probes", roomy, { code, timeoutMs: PROBE_TIMEOUT_MS });
  const answers = readAnswers(result.output.stdout.text, probes.length);
  const policy = policyOf(result);
  for (const [index, each] of probes.entries()) parts.tell(verdictOf(each, judgeProbe(each, answers[index], policy)));
}

async function runOne(attack: RunAttack, parts: Attempting): Promise<void> {
  const name = attack.name.replaceAll(/[^a-z]+/g, "-");
  const result = await run(parts, name, { ...parts.profile.limits, ...attack.limits }, attack.request(parts.scene));
  const judgement = await attack.judge(result, parts.scene);
  const { limit } = attack;
  const by = limit === undefined ? null : policyOf(result).limits[limit].enforcedBy;
  // The policy had said so: this is no surprise, and a fault only where somebody asked for more.
  const isKnown = judgement.outcome === "got_through" && (by === "none" || (limit === "memory" && by === "rlimit"));
  const isUnmet = parts.required.includes(`${limit}:kernel`) && !by?.startsWith("cgroup");
  if (isUnmet) parts.tell(verdictOf(attack, gotThrough(`${limit}:kernel is required; ${judgement.evidence}`)));
  else parts.tell(verdictOf(attack, isKnown ? { ...judgement, outcome: "unprotected" } : judgement));
}

/** A run with bounds of its own; what fails before the program starts is a fault, and no verdict. */
async function run(
  { runtime, profile, signal }: Pick<Attempting, "runtime" | "profile" | "signal">,
  name: string,
  limits: Limits,
  request: ReturnType<RunAttack["request"]> & { require?: string[] },
): Promise<RunResult> {
  const { settings } = runtime;
  // What is required is judged with the verdicts: a run that was refused would tell less.
  settings.profiles.set(`attack ${name}`, { ...profile, name: `attack ${name}`, limits, require: [] });
  const asked = { userId: `attacker-${name}`, profile: `attack ${name}`, ...request, ...(signal && { signal }) };
  const result = await runtime.run(asked);
  const { error } = result;
  if (result.sandbox !== null && error?.code !== "cancelled") return result;
  throw new IsoError(error?.code ?? "internal", error?.message ?? "A run told nothing of its sandbox.", {
    ...(error?.hint !== undefined && { hint: error.hint }),
  });
}

/** A neighbour with a file of its own; its run also shows whether a sandbox can be had at all. */
async function makeVictim(
  runtime: Runtime,
  profile: Profile,
  required: readonly string[],
  signal: AbortSignal | undefined,
) {
  const code =
    'import os\ntry: open(os.environ["OUTPUT_DIR"] + "/private", "w").write("mine")\nexcept OSError as error: print(error)';
  const result = await run({ runtime, profile, signal }, "victim", profile.limits, {
    code,
    // Of limits the attacks tell more than a refusal would.
    require: required.filter((word) => !word.endsWith(":kernel")),
  });
  const { sandbox, paths } = result;
  if (!result.ok || sandbox === null || paths === null) {
    throw new IsoError("sandbox_unavailable", `The first run failed: ${result.error?.message ?? result.status}`);
  }
  return { result: { ...result, sandbox }, folders: [paths.workspace, paths.sandbox] };
}

function policyOf({ sandbox }: RunResult): Policy {
  if (sandbox === null) throw new IsoError("internal", "A run told nothing of its sandbox.");
  return sandbox.policy;
}

function attackTools({ without }: Seams, onCall: () => void): ToolDescriptor {
  const tool = (name: string, handler: () => unknown) =>
    defineTool({ name, description: "For doctor --attack.", params: z.object({}), handler });
  const module = [tool("allowed", () => null), tool("forbidden", onCall)];
  const allow = without?.has("tool-allow-list") ? ["allowed", "forbidden"] : ["allowed"];
  return { tools: [{ alias: "attack_tools", module, allow }] };
}
