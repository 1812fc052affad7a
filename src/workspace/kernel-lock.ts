// File locks that the kernel holds and, when their holder dies, releases. flock(2) belongs to the open file, so on Linux a
// short-lived `flock` of util-linux takes it on a descriptor of ours and leaves it with us; macOS has open flags for it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { IsoError } from "../model/errors.js";
import { errnoOf } from "../safefs/errors.js";

const ON_MAC = process.platform === "darwin";
const O_SHLOCK = 0x10;
const O_EXLOCK = 0x20;
const PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/run/current-system/sw/bin";
/** In a session of its own: Ctrl-C in a terminal is a signal to every process of the foreground, and only the caller's to answer. */
const HELPER = { detached: true, env: { PATH, LC_ALL: "C" } } as const;
/** Between two looks at a lock where the system cannot tell of its release. */
const LOOK_AGAIN_MS = 200;

/**
 * Makes a file of ours and locks it for the life of this process, or until the descriptor is closed. Null where another process
 * looked at it, by a lock of its own, in the instant between.
 */
export function openLocked(path: string): number | null {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  if (ON_MAC) return openSync(path, flags | O_EXLOCK | constants.O_NONBLOCK, 0o600);
  const fd = openSync(path, flags, 0o600);
  if (flockNow(fd, "-x")) return fd;
  closeSync(fd);
  return null;
}

/** True while the file at `path` exists and its lock is held. */
export function isLocked(path: string): boolean {
  const fd = openExisting(path);
  if (fd === "held") return true;
  if (fd === "absent") return false;
  try {
    return ON_MAC ? false : !flockNow(fd, "-s");
  } finally {
    closeSync(fd);
  }
}

/** Resolves when the lock of the file at `path` is free or the file is absent; false where `signal` came first. */
export async function waitUnlocked(path: string, signal: AbortSignal): Promise<boolean> {
  if (ON_MAC) return pollUnlocked(path, signal);
  const fd = openExisting(path);
  if (typeof fd === "string") return true;
  try {
    // The parent's death ends the helper, too; where setpriv is missing it ends with the lock it waits for.
    const outcome = await runHelper("setpriv", ["--pdeathsig", "KILL", "flock", "-s", "3"], fd, signal);
    const code = outcome === "missing" ? await runHelper("flock", ["-s", "3"], fd, signal) : outcome;
    if (signal.aborted) return false;
    if (code === 0) return true;
    throw flockMissing(`"flock" ended with ${code}`);
  } finally {
    closeSync(fd);
  }
}

function openExisting(path: string): number | "absent" | "held" {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    return openSync(path, ON_MAC ? flags | O_SHLOCK : flags);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "absent";
    if (ON_MAC && (errnoOf(error) === "EAGAIN" || errnoOf(error) === "EWOULDBLOCK")) return "held";
    throw error;
  }
}

/** Takes the lock of the open file `fd` if it is free. */
function flockNow(fd: number, mode: "-x" | "-s"): boolean {
  const { status, error } = spawnSync("flock", [mode, "-n", "3"], {
    ...HELPER,
    stdio: ["ignore", "ignore", "ignore", fd],
  });
  if (status === 0) return true;
  if (status === 1) return false;
  throw flockMissing(error?.message ?? `"flock" ended with ${status}`, error);
}

function runHelper(
  command: string,
  args: string[],
  fd: number,
  signal: AbortSignal,
): Promise<number | "missing" | null> {
  return new Promise((done, fail) => {
    const child: ChildProcess = spawn(command, args, { ...HELPER, stdio: ["ignore", "ignore", "ignore", fd] });
    const end = () => child.kill("SIGKILL");
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    child.once("error", (error) => {
      signal.removeEventListener("abort", end);
      if (errnoOf(error) === "ENOENT") done("missing");
      else fail(error);
    });
    child.once("exit", (code) => {
      signal.removeEventListener("abort", end);
      done(code);
    });
  });
}

async function pollUnlocked(path: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (!isLocked(path)) return true;
    await new Promise<void>((done) => {
      const timer = setTimeout(finish, LOOK_AGAIN_MS);
      signal.addEventListener("abort", finish, { once: true });
      function finish() {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        done();
      }
    });
  }
  return false;
}

function flockMissing(why: string, cause?: unknown): IsoError {
  return new IsoError("sandbox_unavailable", `Workspaces cannot be locked: ${why}.`, {
    hint: "Install util-linux, which has `flock`.",
    cause,
  });
}
