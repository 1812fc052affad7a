// Where the resident engine of a call listens: a socket in a private folder of the sandbox root's own state, under a name that stands for
// everything by which a run of its own process could come out differently. A call with anything else there finds no engine.
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { packageFile } from "../../model/package-files.js";
import { type Environment, processEnvironment } from "../../settings/environment.js";
import { chooseRoots } from "../../settings/roots.js";

/** Of the messages on the socket; another one is another name. */
export const PROTOCOL = 1;
export const SOCKET = /^[0-9a-f]{16}\.sock$/;
const STATE = ".iso-runtime";
const CONFIG_NAME = "iso-runtime.config.json";
const MAX_CONFIG_BYTES = 1024 * 1024;
/** Variables that change which runtime, interpreter or container engine a process gets, or how Node runs. */
const MATTERS =
  /^(?:ISO_RUNTIME_\w+|DOCKER_\w+|PYENV_\w+|CONDA_\w+|PYTHON\w*|LD_\w+|NODE_\w+|VIRTUAL_ENV|PATH|HOME|XDG_DATA_HOME)$/;

export interface Place {
  readonly folder: string;
  /** File name of the socket. */
  readonly name: string;
  /** What the name stands for. An engine compares it: two keys may have one name. */
  readonly key: string;
}

/** The variables among `env` that an engine is made with, and by which it is found. */
export function enginesEnvironment(env: Environment["env"]): Record<string, string> {
  const found = Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return Object.fromEntries(found.filter(([name]) => MATTERS.test(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Null where a root or what the config file says cannot be seen: then there is no engine for it, either. `config` is the flag. */
export function placeOf(config: string | undefined, environment: Environment = processEnvironment()): Place | null {
  try {
    const { workspaceRoot, sandboxRoot } = chooseRoots({}, environment);
    const folder = join(realpathSync(sandboxRoot), STATE, "daemon");
    // Whoever never started one pays for this alone.
    if (statSync(folder, { throwIfNoEntry: false }) === undefined) return null;
    const key = keyOf(config, environment, { workspaceRoot, sandboxRoot });
    return { folder, name: `${shortOf(key)}.sock`, key };
  } catch {
    return null;
  }
}

/** The folder for `Place`, made only for its user; the roots are there. */
export const folderBelow = (sandboxRoot: string): string => join(realpathSync(sandboxRoot), STATE, "daemon");

/** An open folder that belongs to this very user and nobody else may enter; null for any other. */
export function openFolder(folder: string): number | null {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return null;
  }
  const { uid, mode } = fstatSync(fd);
  if (uid === process.geteuid?.() && (mode & 0o077) === 0) return fd;
  closeSync(fd);
  return null;
}

/** A path to connect to or listen at: by the open folder, so that it is that very one, and short enough for the address of a socket. */
export function pathIn(folder: string, fd: number, name: string): string {
  return process.platform === "linux" ? `/proc/self/fd/${fd}/${name}` : join(folder, name);
}

/** A socket of this user's own. */
export function isOwnSocket(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSocket() === true && found.uid === process.geteuid?.();
}

function keyOf(
  config: string | undefined,
  { env, cwd }: Environment,
  { workspaceRoot, sandboxRoot }: { workspaceRoot: string; sandboxRoot: string },
): string {
  const identity = (path: string) => {
    const { dev, ino } = statSync(path);
    return [realpathSync(path), dev, ino];
  };
  const parts = [
    PROTOCOL,
    readFileSync(packageFile("package.json"), "utf8"),
    // A checkout is built anew under one version.
    ...[packageFile(), codeMark(), process.version, process.execPath],
    ...[process.geteuid?.(), process.getegid?.(), process.getgroups?.()],
    // The state of each root: one that was removed and made anew is another one.
    ...[identity(join(workspaceRoot, STATE)), identity(join(sandboxRoot, STATE))],
    enginesEnvironment(env),
    configMark(config, cwd),
  ];
  return JSON.stringify(parts);
}

/** 64 bits of FNV-1a in two halves: Node's own hashes take longer to load than all else that is done here. */
function shortOf(text: string): string {
  let [first, second] = [0x811c9dc5, 0x01000193];
  for (const byte of Buffer.from(text)) {
    first = Math.imul(first ^ byte, 0x01000193);
    second = Math.imul(second ^ byte ^ (first >>> 24), 0x01000193);
  }
  return [first, second].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

function codeMark(): unknown {
  const built = statSync(packageFile("dist/cli/main.js"), { throwIfNoEntry: false });
  return built === undefined ? null : [built.mtimeMs, built.ino, built.size];
}

/** The file that the settings read, and what is in it. */
function configMark(given: string | undefined, cwd: string): unknown {
  const file = given === undefined ? join(cwd, CONFIG_NAME) : resolve(cwd, given);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined && given === undefined) return null;
  if (!found?.isFile() || found.size > MAX_CONFIG_BYTES) throw new Error("the settings say what is wrong with it");
  return [given === undefined, realpathSync(file), readFileSync(file, "utf8")];
}
