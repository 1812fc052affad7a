// What an engine on this kernel needs of the host, found out once; a sandbox's control group; why a boot failed; what is left of the dead.
import { IsoError } from "../../model/errors.js";
import type { Limits } from "../../model/limits.js";
import type { BackendContext } from "../backend.js";
import type { Without } from "../layers.js";
import type { Profile } from "../profile.js";
import { type CgroupPlan, groupOwner, planCgroups, prepareCgroups, reapGroups } from "./cgroup.js";
import { SandboxGroup } from "./cgroup-group.js";
import { REAL_HOST } from "./cgroup-host.js";
import { type EngineFiles, makeEngineFiles } from "./engine-files.js";
import { endEngines } from "./orphans.js";
import { type RootLayout, readRootLayout } from "./root-layout.js";
import type { LinuxSandbox } from "./sandbox.js";
import { placesFor, unbounded } from "./without.js";

export interface LinuxHost {
  readonly cgroups: CgroupPlan;
  /** Why control groups cannot be used although they were found; for each sandbox's log. */
  readonly cgroupTrouble: string | null;
  readonly root: RootLayout;
  readonly files: EngineFiles;
}

/** Throws IsoError `sandbox_unavailable` where this machine has no system call filter. */
export function prepareHost(context: BackendContext, engine: string, isRoot: boolean): LinuxHost {
  const cgroups = planCgroups(REAL_HOST, isRoot);
  let cgroupTrouble: string | null = null;
  try {
    prepareCgroups(cgroups);
  } catch (error) {
    cgroupTrouble = `control groups cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
  return { cgroups, cgroupTrouble, root: readRootLayout(REAL_HOST.root), files: makeEngineFiles(context, engine) };
}

export function makeGroup(host: LinuxHost, name: string, limits: Limits, without: Without): SandboxGroup {
  const { cgroups, cgroupTrouble } = host;
  const places = cgroupTrouble === null ? placesFor(cgroups.places, without) : new Map();
  return new SandboxGroup(cgroups.version, places, name, unbounded(limits, without));
}

/** Ends what there is of the sandbox, and says why it did not boot. `explain` knows the words of the engine. */
export async function bootFailure(
  error: unknown,
  sandbox: LinuxSandbox | null,
  profile: Profile,
  explain: (said: string) => { message: string; fix: string } | null,
): Promise<IsoError> {
  const facts = await sandbox?.stop();
  await sandbox?.dispose();
  if (error instanceof IsoError) return error;
  if ((facts?.oomKills ?? 0) > 0) {
    return new IsoError(
      "sandbox_unavailable",
      `The memory limit of ${profile.limits.memory} bytes is too small for Python to start.`,
      { hint: "Raise the profile's `memory`.", cause: error },
    );
  }
  const said = sandbox?.engineLog() ?? [];
  const reason = error instanceof Error ? error.message : String(error);
  const hint = explain([reason, ...said].join("\n"));
  return new IsoError(
    "sandbox_unavailable",
    `The sandbox did not start: ${[reason, ...said.slice(0, 20)].join("; ")}.`,
    { cause: error, ...(hint !== null && { hint: `${hint.message} ${hint.fix}` }) },
  );
}

/** Engines and control groups of this root's instances that are dead. */
export async function reapEngines(rootId: string, isAlive: (instanceId: string) => Promise<boolean>): Promise<void> {
  await endEngines(async (sandbox) => {
    const owner = groupOwner(sandbox, rootId);
    return owner !== null && !(await isAlive(owner));
  });
  await reapGroups(REAL_HOST, rootId, isAlive);
}
