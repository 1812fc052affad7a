// What this host can do for the backend, check by check, each with what mends it. It makes one set of namespaces, as a launcher would,
// and nothing else.
import { join } from "node:path";
import type { BackendContext, Check, HostUser, Probe } from "../backend.js";
import type { HostRoots } from "../linux/cgroup-host.js";
import { cgroupCheck, failed, filterCheck, pythonCheck } from "../linux/checks.js";
import { findInterpreter } from "../linux/interpreter.js";
import { interpreterMounts } from "../linux/interpreter-mounts.js";
import { planLaunch } from "../linux/launch.js";
import { explainRefusal, explainWeakRoot } from "../linux/refusal.js";
import { type Answer, ask } from "../linux/spawn.js";

const TRIAL_TIMEOUT_MS = 10_000;

export interface ProbedHost {
  readonly roots: HostRoots;
  readonly platform: string;
  readonly isRoot: boolean;
  /** Makes namespaces once; a test stands in for a host that refuses. */
  readonly trial?: () => Promise<Answer>;
}

/** Never throws and changes nothing. */
export async function probeZygote(context: BackendContext, host: ProbedHost): Promise<Probe> {
  if (host.platform !== "linux") {
    const fix = "Use the docker backend, or run it on Linux (Windows: in WSL 2).";
    const message = `the zygote launcher needs Linux, this is ${host.platform}`;
    return { usable: false, checks: [{ name: "platform", status: "fail", message, fix }] };
  }
  const [uids, python, namespaces] = await Promise.all([
    context.users.check(),
    pythonCheck(context),
    namespaceCheck(context, host),
  ]);
  const checks = [
    python,
    namespaces,
    filterCheck(),
    cgroupCheck(host.roots, host.isRoot),
    ...(uids === null ? [] : [uids]),
  ];
  return { usable: checks.every((check) => check.status !== "fail"), checks };
}

async function namespaceCheck(context: BackendContext, { roots, isRoot, trial }: ProbedHost): Promise<Check> {
  const name = "namespaces";
  const weakRoot = explainWeakRoot(roots);
  if (weakRoot !== null) return { name, status: "fail", ...weakRoot };
  try {
    const { exitCode, stderr } = await (trial ?? (() => tryNamespaces(context, isRoot)))();
    if (exitCode === 0) return { name, status: "ok", message: "a launcher can make sandboxes here" };
    const refusal = explainRefusal(roots, stderr, "zygote");
    if (refusal !== null) return { name, status: "fail", message: refusal.message, fix: refusal.fix };
    const said = stderr.trim().split("\n").at(-1)?.slice(0, 500) || `it ended with ${exitCode ?? "a signal"}`;
    const fix = "Use the bubblewrap or the docker backend, which `auto` does by itself.";
    return { name, status: "fail", message: `a launcher cannot make a sandbox: ${said}`, fix };
  } catch (error) {
    return failed(name, error);
  }
}

async function tryNamespaces(
  { python, searchPath, users, runnerDir, facts }: BackendContext,
  isRoot: boolean,
): Promise<Answer> {
  const interpreter = await findInterpreter({ chosen: python, searchPath, packages: [], facts });
  const user: HostUser | null = isRoot ? await users.lease() : null;
  try {
    const launch = planLaunch({
      user: user ?? { uid: 0, gid: 0 },
      isRoot,
      program: interpreter.executable,
      descriptors: [],
      hostPython: interpreter.executable,
      readOnly: [runnerDir, ...interpreterMounts(interpreter).binds],
      writable: [],
      inPlace: true,
    });
    const { command, args, as } = launch.command(["-I", "-S", join(runnerDir, "iso_zygote", "trial.py")]);
    return await ask(command, args, { timeoutMs: TRIAL_TIMEOUT_MS, ...(as !== null && as) });
  } finally {
    user?.release();
  }
}
