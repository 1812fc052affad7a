// What this host can do for the backend, check by check, each with the command that mends it. Starts nothing but questions:
// the versions of programs, and bubblewrap once with /usr/bin/true.
import { existsSync } from "node:fs";
import type { FileOwner } from "../../model/instance.js";
import type { Check, HostUser, HostUsers, Probe } from "../backend.js";
import type { KnownFacts } from "../known-facts.js";
import type { HostRoots } from "../linux/cgroup-host.js";
import { cgroupCheck, failed, filterCheck, pythonCheck } from "../linux/checks.js";
import { INSIDE_ID } from "../linux/inside.js";
import { explainRefusal, explainWeakRoot } from "../linux/refusal.js";
import { readRootLayout } from "../linux/root-layout.js";
import { type Answer, ask } from "../linux/spawn.js";
import { type BwrapProgram, findBwrap, readOsRelease } from "./engine.js";

const TRIAL_TIMEOUT_MS = 10_000;

export interface ProbeOptions {
  readonly roots: HostRoots;
  readonly platform: string;
  readonly searchPath: string;
  readonly python: string | null;
  readonly facts?: KnownFacts;
  readonly users: HostUsers;
  readonly isRoot: boolean;
  /** Makes a sandbox once; a test stands in for a host that refuses. */
  readonly trial?: (bwrap: BwrapProgram) => Promise<Answer>;
}

/** Never throws and changes nothing. */
export async function probeHost(options: ProbeOptions): Promise<Probe> {
  if (options.platform !== "linux") {
    const fix = "Use the docker backend, or run it on Linux (Windows: in WSL 2).";
    return {
      usable: false,
      checks: [
        { name: "platform", status: "fail", message: `bubblewrap needs Linux, this is ${options.platform}`, fix },
      ],
    };
  }
  const { roots, isRoot } = options;
  const uids = await options.users.check();
  const checks = [
    ...(await Promise.all([engineChecks(options), pythonCheck(options)])).flat(),
    filterCheck(),
    cgroupCheck(roots, isRoot),
    ...(uids === null ? [] : [uids]),
  ];
  return { usable: checks.every((check) => check.status !== "fail"), checks };
}

async function engineChecks(options: ProbeOptions): Promise<Check[]> {
  const { roots, searchPath, users, isRoot } = options;
  let bwrap: BwrapProgram;
  try {
    bwrap = await findBwrap(searchPath, readOsRelease(roots.root));
  } catch (error) {
    return [failed("bubblewrap", error)];
  }
  const checks: Check[] = [];
  const what = `${bwrap.path} ${bwrap.version}`;
  if (bwrap.canDisableUserns) checks.push({ name: "bubblewrap", status: "ok", message: what });
  else {
    const message = `${what} has no --disable-userns; the system call filter alone keeps programs from nesting namespaces`;
    checks.push({ name: "bubblewrap", status: "warn", message, fix: "Update bubblewrap to 0.8 or newer." });
  }
  const weakRoot = explainWeakRoot(roots);
  if (weakRoot !== null) return [...checks, { name: "namespaces", status: "fail", ...weakRoot }];
  let user: HostUser | null = null;
  try {
    user = await users.lease();
    const as = isRoot ? user : null;
    const trial = options.trial ?? ((program) => tryBwrap(program, roots, as));
    checks.push(namespaceCheck(await trial(bwrap), roots));
  } catch (error) {
    checks.push(failed("namespaces", error));
  } finally {
    user?.release();
  }
  return checks;
}

function namespaceCheck({ exitCode, stderr }: Answer, roots: HostRoots): Check {
  const name = "namespaces";
  if (exitCode === 0) return { name, status: "ok", message: "bubblewrap makes sandboxes here" };
  const refusal = explainRefusal(roots, stderr);
  if (refusal !== null) return { name, status: "fail", message: refusal.message, fix: refusal.fix };
  const said = stderr.trim().slice(0, 500) || `it ended with ${exitCode ?? "a signal"}`;
  return {
    name,
    status: "fail",
    message: `bubblewrap cannot make a sandbox: ${said}`,
    fix: "Allow user namespaces for this user, or use the docker backend.",
  };
}

function tryBwrap(bwrap: BwrapProgram, { root }: HostRoots, as: FileOwner | null): Promise<Answer> {
  const layout = readRootLayout(root);
  const ids = ["--uid", String(INSIDE_ID), "--gid", String(INSIDE_ID)];
  const system = [
    ...layout.binds
      .filter(({ dest }) => !dest.startsWith("/etc"))
      .flatMap(({ source, dest }) => ["--ro-bind", source, dest]),
    ...layout.links.flatMap(({ at, to }) => ["--symlink", to, at]),
  ];
  const nested = bwrap.canDisableUserns ? ["--disable-userns"] : [];
  const isolation = ["--unshare-user", "--unshare-all", ...nested, ...ids, "--cap-drop", "ALL", "--die-with-parent"];
  const program = existsSync("/usr/bin/true") ? "/usr/bin/true" : "/bin/true";
  const args = [...isolation, ...system, "--proc", "/proc", "--dev", "/dev", program];
  return ask(bwrap.path, args, { timeoutMs: TRIAL_TIMEOUT_MS, ...(as !== null && { uid: as.uid, gid: as.gid }) });
}
