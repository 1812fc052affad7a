// Why a host does not let an engine make a sandbox, and the exact command that mends it: read from what the engine said and
// from the kernel's own switches.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageFile } from "../../model/package-files.js";
import { shellWord } from "../../model/shell-word.js";
import { type HostRoots, readFileOrNull } from "../linux/cgroup-host.js";

export interface Refusal {
  message: string;
  fix: string;
}

/** Ships with the package. */
const APPARMOR_PROFILE = packageFile("apparmor/iso-runtime-bwrap");
const INSTALLED_PROFILE = "/etc/apparmor.d/iso-runtime-bwrap";
/** docs/machines.md has the whole line, and why each option. */
const CONTAINER_OPTIONS =
  "--user 1000:1000 --security-opt seccomp=docker/seccomp-host.json --security-opt systempaths=unconfined";
const CONTAINER_FIX = `Start the container with ${CONTAINER_OPTIONS} (the file is in this package; where the host has AppArmor, --security-opt apparmor=unconfined too), or use the docker backend.`;
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_SYS_PTRACE = 1n << 19n;

/** The engine's own words when the kernel did not let it; anything else failed later, inside. */
const SAID_WHEN_REFUSED =
  /operation not permitted|permission denied|no permissions|new namespace failed|no space left|uid map/i;

/** Null where nothing known stands in the way. */
export function explainRefusal(
  roots: HostRoots,
  engineSaid: string,
  engine: "bubblewrap" | "zygote" = "bubblewrap",
): Refusal | null {
  if (!SAID_WHEN_REFUSED.test(engineSaid)) return null;
  const setting = (path: string) => readFileOrNull(join(roots.proc, "sys", path))?.trim() ?? null;
  const weakRoot = explainWeakRoot(roots);
  if (weakRoot !== null) return weakRoot;
  if (setting("user/max_user_namespaces") === "0") {
    return {
      message: "User namespaces are switched off (user.max_user_namespaces is 0).",
      fix: "sudo sysctl -w user.max_user_namespaces=15000",
    };
  }
  if (setting("kernel/unprivileged_userns_clone") === "0") {
    return {
      message: "Ordinary users may not make user namespaces (kernel.unprivileged_userns_clone is 0).",
      fix: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    };
  }
  if (isContainer(roots)) return { message: `${containersRefusal(engine, engineSaid)}.`, fix: CONTAINER_FIX };
  const isRestricted = setting("kernel/apparmor_restrict_unprivileged_userns") === "1";
  if (isRestricted && engine === "zygote") {
    return {
      message: "AppArmor keeps programs without a profile from making user namespaces, and Python has none.",
      fix: "Leave it to the bubblewrap backend, whose program can have a profile; or sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    };
  }
  if (isRestricted && !hasBwrapProfile(roots)) {
    return {
      message: "AppArmor keeps programs without a profile from making user namespaces, and bwrap has none.",
      fix: `sudo install -m 644 ${shellWord(APPARMOR_PROFILE)} ${INSTALLED_PROFILE} && sudo apparmor_parser -r ${INSTALLED_PROFILE}`,
    };
  }
  return null;
}

/**
 * Root binds folders and gives up root before the engine starts, and then looks at what it started. Root of a container often
 * may do neither, while an ordinary user there needs neither. Null where this process is not root, or is root in full.
 */
export function explainWeakRoot({ proc }: HostRoots): Refusal | null {
  const status = readFileOrNull(join(proc, "self/status")) ?? "";
  const effectiveUid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  const capabilities = /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1];
  if (effectiveUid !== "0" || capabilities === undefined) return null;
  const held = BigInt(`0x${capabilities}`);
  if ((held & CAP_SYS_ADMIN) !== 0n && (held & CAP_SYS_PTRACE) !== 0n) return null;
  const message =
    "This is root without CAP_SYS_ADMIN or CAP_SYS_PTRACE, as in containers: it can neither make nor check sandboxes as another user.";
  return { message, fix: CONTAINER_FIX };
}

function containersRefusal(engine: string, engineSaid: string): string {
  if (/mount proc/i.test(engineSaid)) return `This container's covered /proc keeps ${engine} from mounting a new one`;
  if (/namespace/i.test(engineSaid)) return `This container's system call filter lets ${engine} make no namespaces`;
  return `This container lets ${engine} make no sandbox; an AppArmor profile that refuses mounts is a common cause`;
}

function isContainer({ root, proc }: HostRoots): boolean {
  const marks = [".dockerenv", "run/.containerenv"];
  if (marks.some((path) => existsSync(join(root || "/", path)))) return true;
  return /\b(docker|containerd|kubepods|libpod)\b/.test(readFileOrNull(join(proc, "self/cgroup")) ?? "");
}

/** Distributions name the profile differently; Ubuntu's own is `bwrap-userns-restrict`. */
function hasBwrapProfile({ root }: HostRoots): boolean {
  const names = ["iso-runtime-bwrap", "bwrap", "bwrap-userns-restrict", "usr.bin.bwrap"];
  return names.some((name) => existsSync(join(root || "/", "etc/apparmor.d", name)));
}
