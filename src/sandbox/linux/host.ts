// What an engine on this kernel needs of the host, found out once; a sandbox's control group; why a boot failed; what is left of the dead.
import { IsoError } from "../../model/errors.js";
import type { Limits } from "../../model/limits.js";
import type { BackendContext } from "../backend.js";
import { tooLittleMemory } from "../boot-memory.js";
import type { InitProcess } from "../init-process.js";
import { overlooked, type Without } from "../layers.js";
import type { Profile } from "../profile.js";
import { type Demands, readCeilings, readIsolation } from "../read-back.js";
import { type CgroupPlan, groupOwner, planCgroups, prepareCgroups, reapGroups } from "./cgroup.js";
import { SandboxGroup } from "./cgroup-group.js";
import { REAL_HOST } from "./cgroup-host.js";
import { type EngineFiles, makeEngineFiles } from "./engine-files.js";
import { endEngines } from "./orphans.js";
import { type RootLayout, readRootLayout } from "./root-layout.js";
import type { LinuxSandbox, Ready } from "./sandbox.js";
import { placesFor, unbounded } from "./without.js";

/** Time for the runner to say hello; a machine under load takes seconds. */
export const HELLO_TIMEOUT_MS = 30_000;
const DEMANDS: Demands = { namespaces: ["user", "mnt", "pid", "net", "ipc"], seccomp: true, said: [] };
/** A share of the memory limit, which they count against where a control group enforces it. */
const TMPFS_SHARE = 0.5;

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

/** The size of each file system in memory that a sandbox has. */
export const tmpfsBytes = ({ memory }: Limits): number => Math.floor(memory * TMPFS_SHARE);

/** What a sandbox that has said hello really is. Throws IsoError `sandbox_unavailable` where anything is weaker than it must be. */
export function proven(init: InitProcess, python: Ready["python"], group: SandboxGroup, without: Without): Ready {
  const isolation = readIsolation(init.pid, { ...DEMANDS, overlook: overlooked(without) });
  return { python, isolation, held: { ceilings: readCeilings(init.pid), memory: group.heldMemory() } };
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
  const starved = tooLittleMemory(facts, profile, error);
  if (starved !== null) return starved;
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
