// The bubblewrap program of this host: where it is, its version, what that version can do, and how a person gets it.
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { IsoError } from "../../model/errors.js";
import { readFileOrNull } from "../linux/cgroup-host.js";
import { ask } from "../linux/spawn.js";

export interface BwrapProgram {
  readonly path: string;
  readonly version: string;
  /** `--disable-userns`: no user namespace can be made inside. */
  readonly canDisableUserns: boolean;
}

const SYSTEM_BWRAP = "/usr/bin/bwrap";
const ASK_TIMEOUT_MS = 10_000;
/** `--size` and `--disable-userns` came with 0.7 and 0.8; `--json-status-fd`, `--chmod` and what else is used are older. */
const OLDEST_BWRAP = [0, 7] as const;
const FIRST_WITH_DISABLE_USERNS = [0, 8] as const;

/** Throws IsoError `sandbox_unavailable` with the command that installs it. */
export async function findBwrap(
  searchPath: string,
  osRelease: string | null,
  systemPath = SYSTEM_BWRAP,
): Promise<BwrapProgram> {
  const path = [...inSearchPath(searchPath), systemPath].find(isProgram);
  if (path === undefined) {
    throw new IsoError("sandbox_unavailable", "bubblewrap (bwrap) is not installed.", {
      hint: installCommand(osRelease),
    });
  }
  const answer = await ask(path, ["--version"], { timeoutMs: ASK_TIMEOUT_MS });
  const version = /(\d+)\.(\d+)(\.\d+)*/.exec(answer.stdout);
  if (answer.exitCode !== 0 || version === null) {
    throw new IsoError(
      "sandbox_unavailable",
      `${path} does not tell its version: ${answer.stderr.slice(0, 500).trim()}`,
      {
        hint: installCommand(osRelease),
      },
    );
  }
  const numbers = [Number(version[1]), Number(version[2])];
  if (!isAtLeast(numbers, OLDEST_BWRAP)) {
    throw new IsoError(
      "sandbox_unavailable",
      `${path} is version ${version[0]}; ${OLDEST_BWRAP.join(".")} is needed.`,
      {
        hint: `Update it: ${installCommand(osRelease)}`,
      },
    );
  }
  return {
    path: realpathSync(path),
    version: version[0],
    canDisableUserns: isAtLeast(numbers, FIRST_WITH_DISABLE_USERNS),
  };
}

function inSearchPath(searchPath: string): string[] {
  const dirs = searchPath.split(":").filter(isAbsolute);
  return dirs.map((dir) => join(dir, "bwrap"));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isAtLeast(
  [major = 0, minor = 0]: readonly number[],
  [wantedMajor, wantedMinor]: readonly [number, number],
): boolean {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

export function readOsRelease(root: string): string | null {
  return readFileOrNull(join(root || "/", "etc/os-release"));
}

const INSTALLERS: readonly [families: readonly string[], command: string][] = [
  [["debian", "ubuntu"], "sudo apt-get install bubblewrap"],
  [["fedora", "rhel", "centos"], "sudo dnf install bubblewrap"],
  [["arch"], "sudo pacman -S bubblewrap"],
  [["suse", "opensuse"], "sudo zypper install bubblewrap"],
  [["alpine"], "sudo apk add bubblewrap"],
];

/** By ID and ID_LIKE of /etc/os-release. */
export function installCommand(osRelease: string | null): string {
  const words = [...(osRelease ?? "").matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap(
    ([, value]) => value?.replace(/["']/g, "").split(/[\s-]+/) ?? [],
  );
  const row = INSTALLERS.find(([families]) => families.some((family) => words.includes(family)));
  return row?.[1] ?? "Install the package bubblewrap of your distribution.";
}
