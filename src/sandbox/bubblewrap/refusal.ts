// Why a host does not let bubblewrap make a sandbox, and the exact command that mends it: read from what the engine said and
// from the kernel's own switches.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type HostRoots, readFileOrNull } from "./cgroup-host.js";

export interface Refusal {
  message: string;
  fix: string;
}

const APPARMOR_PROFILE = [
  "sudo tee /etc/apparmor.d/bwrap >/dev/null <<'EOF'",
  "abi <abi/4.0>,",
  "include <tunables/global>",
  "profile bwrap /usr/bin/bwrap flags=(unconfined) {",
  "  userns,",
  "  include if exists <local/bwrap>",
  "}",
  "EOF",
  "sudo apparmor_parser -r /etc/apparmor.d/bwrap",
].join("\n");

/** The engine's own words when the kernel did not let it; anything else failed later, inside. */
const SAID_WHEN_REFUSED =
  /operation not permitted|permission denied|no permissions|new namespace failed|no space left|uid map/i;

/** Null where nothing known stands in the way. */
export function explainRefusal(roots: HostRoots, engineSaid: string): Refusal | null {
  if (!SAID_WHEN_REFUSED.test(engineSaid)) return null;
  const setting = (path: string) => readFileOrNull(join(roots.proc, "sys", path))?.trim() ?? null;
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
  if (setting("kernel/apparmor_restrict_unprivileged_userns") === "1" && !hasBwrapProfile(roots)) {
    return {
      message: "AppArmor keeps programs without a profile from making user namespaces, and bwrap has none.",
      fix: APPARMOR_PROFILE,
    };
  }
  if (isContainer(roots)) {
    return {
      message: "This is a container whose own sandbox does not let bubblewrap make namespaces or mount /proc.",
      fix: "Start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined (and --security-opt apparmor=unconfined), or use the docker backend.",
    };
  }
  return null;
}

function isContainer({ root, proc }: HostRoots): boolean {
  const marks = [".dockerenv", "run/.containerenv"];
  if (marks.some((path) => existsSync(join(root || "/", path)))) return true;
  return /\b(docker|containerd|kubepods|libpod)\b/.test(readFileOrNull(join(proc, "self/cgroup")) ?? "");
}

/** Distributions name the profile differently; Ubuntu's own is `bwrap-userns-restrict`. */
function hasBwrapProfile({ root }: HostRoots): boolean {
  const names = ["bwrap", "bwrap-userns-restrict", "usr.bin.bwrap"];
  return names.some((name) => existsSync(join(root || "/", "etc/apparmor.d", name)));
}
