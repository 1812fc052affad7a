// How the engine is started so that it is never root on the host: as it is by an ordinary user, as the sandbox's own uid by root,
// or through the launcher where that uid could not reach what a sandbox binds.
import { IsoError } from "../../model/errors.js";
import type { FileOwner } from "../../model/instance.js";
import { packageFile } from "../../model/package-files.js";
import { canReach } from "./access.js";
import type { EngineCommand } from "./spawn.js";

const LAUNCHER = packageFile("python/iso_host/launch.py");
/** Covered in the launcher's own mount namespace only. The engine needs this folder anyway, so every host has it. */
const STAGE = "/tmp";
/** Instead of a stage: folders are bound where they are, over what closed them. */
const IN_PLACE = "-";
const NOBODY = 65_534;

export interface Launch {
  /** Where the engine finds a path of the host. */
  sourceOf(path: string): string;
  command(programArguments: readonly string[]): EngineCommand;
}

export interface LaunchOptions {
  /** Whom the sandbox is on the host. */
  readonly user: FileOwner;
  readonly isRoot: boolean;
  /** The engine's own program. */
  readonly program: string;
  /** Numbers of the descriptors it is given. */
  readonly descriptors: readonly number[];
  /** Runs the launcher, as root. */
  readonly hostPython: string;
  /** Paths a sandbox binds beside /usr and /etc. */
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  /** Each folder must be where it is on the host, as an interpreter must; else it may be anywhere. */
  readonly inPlace?: boolean;
}

export function planLaunch(options: LaunchOptions): Launch {
  const { user, isRoot, program, readOnly, writable } = options;
  if (!isRoot) return { sourceOf: (path) => path, command: (args) => ({ command: program, args, as: null }) };
  refuseShared(user);
  const reachable = [...readOnly, ...writable].every((path) => canReach(user, path));
  if (reachable) return { sourceOf: (path) => path, command: (args) => ({ command: program, args, as: user }) };
  return options.inPlace ? revealed(options) : staged(options);
}

/** Root of the host could write to the host through /proc, and nobody's processes are shared by strangers. */
function refuseShared({ uid, gid }: FileOwner): void {
  const wrong = [uid, gid].find((id) => id === 0 || id === NOBODY);
  if (wrong === undefined) return;
  throw new IsoError("sandbox_unavailable", `Sandboxes never run as user or group ${wrong} of the host.`, {
    hint: "Set the sandbox uid to one that nothing else uses.",
  });
}

function staged(options: LaunchOptions): Launch {
  const sources = [...options.readOnly, ...options.writable];
  const names = new Map(sources.map((source, index) => [source, `${STAGE}/${index}`]));
  return { sourceOf: (path) => names.get(path) ?? path, command: (args) => byLauncher(options, STAGE, args) };
}

function revealed(options: LaunchOptions): Launch {
  return { sourceOf: (path) => path, command: (args) => byLauncher(options, IN_PLACE, args) };
}

function byLauncher(options: LaunchOptions, stage: string, args: readonly string[]): EngineCommand {
  const { user, program, descriptors, hostPython, readOnly, writable } = options;
  const head = [user.uid, user.gid, process.pid, descriptors.join(","), stage].map(String);
  const binds = [...readOnly.map((source) => ["ro", source]), ...writable.map((source) => ["rw", source])].flat();
  return {
    command: hostPython,
    args: ["-I", "-S", LAUNCHER, ...head, ...binds, "--", program, ...args],
    as: null,
  };
}
