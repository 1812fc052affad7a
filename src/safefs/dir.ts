// An opened directory, and the only ways from it to its entries: one component at a time, never through a link.
//
// On Linux each step goes through /proc/self/fd/<n>/<name>: the kernel resolves the first part to the very directory that is
// open, so neither a renamed parent nor a swapped link nor PATH_MAX matters. Elsewhere (macOS) there is no such door: there
// the path of the directory is used, the last component is opened with O_NOFOLLOW, and the opened directory is compared with
// what lstat of that path says. A parent swapped between two steps can go unnoticed there, and PATH_MAX holds.
import { type BigIntStats, chmodSync, closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync } from "node:fs";
import { errnoOf, SafeFsError } from "./errors.js";

const ON_LINUX = process.platform === "linux";
const IS_ROOT = process.geteuid?.() === 0;
/** O_PATH of Linux, the same on every architecture Node runs on; Node does not export it. */
const O_PATH = 0o10000000;
const OPEN_DIR = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const OPEN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const SLASH = Buffer.from("/");

/** A directory held open by a descriptor. */
export class Dir implements Disposable {
  readonly fd: number;
  readonly dev: bigint;
  readonly ino: bigint;
  /** What it was when it was opened: nothing of this follows what is done to it afterwards. */
  readonly stats: BigIntStats;
  readonly #base: Buffer;

  constructor(fd: number, path: Buffer) {
    const stats = fstatSync(fd, { bigint: true });
    this.fd = fd;
    this.dev = stats.dev;
    this.ino = stats.ino;
    this.stats = stats;
    this.#base = ON_LINUX ? Buffer.from(`/proc/self/fd/${fd}`) : path;
  }

  /** A path that means this very directory, for calls that take paths. */
  get base(): Buffer {
    return this.#base;
  }

  /** A path that means the entry `name` of this very directory. `name` is one checked component. */
  child(name: Buffer): Buffer {
    return Buffer.concat([this.#base, SLASH, name]);
  }

  /** Gives a directory that was opened the owner's bits it has lost meanwhile; false where they are not ours to give. */
  unlock(): boolean {
    try {
      fchmodSync(this.fd, fstatSync(this.fd).mode | 0o700);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens a directory whose path the host trusts; only its last component must not be a link. */
export function openTrustedDir(path: string): Dir {
  return openDirPath(Buffer.from(path), `"${path}"`);
}

/** Opens the directory `name` in `dir`. One without read or search permission gets them where its owner may give them. */
export function openDirAt(dir: Dir, name: Buffer): Dir {
  return openDirPath(dir.child(name), "an entry of the tree");
}

/** Gives a folder of ours back the owner's bits that a program of our own uid may have taken; what is no folder stays as it is. */
export function unlockTrustedDir(path: string): void {
  try {
    openTrustedDir(path).close();
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
  }
}

/** The directory above an open one, or null where it is not the one that is expected. */
export function openParent(dir: Dir, expected: { dev: bigint; ino: bigint }): Dir | null {
  if (!ON_LINUX) return null;
  try {
    const parent = new Dir(openSync(dir.child(Buffer.from("..")), OPEN_DIR), dir.base);
    if (parent.dev === expected.dev && parent.ino === expected.ino) return parent;
    parent.close();
    return null;
  } catch {
    return null;
  }
}

/** An open regular file, and what it was when it was opened. The one who opened it closes it. */
export interface OpenFile {
  readonly fd: number;
  readonly stats: BigIntStats;
}

/** Opens the regular file `name` in `dir`. Never blocks, never opens a device, never follows a link. */
export function openFileAt(dir: Dir, name: Buffer): OpenFile {
  try {
    const stats = lstatSync(dir.child(name));
    if (stats.isSymbolicLink()) throw new SafeFsError("link", "the entry is a symbolic link");
    if (!stats.isFile()) throw notRegular();
  } catch (error) {
    throw translate(error, "the entry");
  }
  return openSeenFileAt(dir, name);
}

/** The same for an entry that was looked at just before, and was a regular file then: it is not looked at again. */
export function openSeenFileAt(dir: Dir, name: Buffer): OpenFile {
  let fd: number;
  try {
    fd = openOrUnlock(dir.child(name), OPEN_FILE, 0o400);
  } catch (error) {
    throw translate(error, "the entry");
  }
  const stats = fstatSync(fd, { bigint: true });
  if (stats.isFile()) return { fd, stats };
  closeSync(fd);
  throw notRegular();
}

const notRegular = (): SafeFsError => new SafeFsError("not_regular", "the entry is no regular file");

function openDirPath(path: Buffer, what: string): Dir {
  let fd: number;
  try {
    fd = openOrUnlock(path, OPEN_DIR, 0o700);
  } catch (error) {
    throw translate(error, what, path);
  }
  const dir = new Dir(fd, path);
  try {
    if (ON_LINUX) return dir;
    const seen = lstatSync(path, { bigint: true });
    if (seen.ino === dir.ino && seen.dev === dir.dev) return dir;
  } catch (error) {
    dir.close();
    throw translate(error, what, path);
  }
  dir.close();
  throw new SafeFsError("moved", `${what} was replaced while it was opened`);
}

/** Opens; where permission is missing, lends the owner's bits through a held O_PATH descriptor and opens again. */
function openOrUnlock(path: Buffer, flags: number, bits: number): number {
  const wantsDir = bits === 0o700;
  try {
    const fd = openSync(path, flags);
    if (!wantsDir || IS_ROOT || (fstatSync(fd).mode & 0o300) === 0o300) return fd;
    closeSync(fd);
  } catch (error) {
    if (errnoOf(error) !== "EACCES" || !ON_LINUX) throw error;
  }
  if (!ON_LINUX) return openSync(path, flags);
  const held = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const self = `/proc/self/fd/${held}`;
  try {
    const stats = fstatSync(held);
    if (wantsDir ? !stats.isDirectory() : !stats.isFile())
      throw new SafeFsError("not_regular", "the entry was replaced");
    const mode = stats.mode & 0o7777;
    // Refused where the entry is somebody else's: then reading it is refused, too, and the caller hears of that.
    tryChmod(self, mode | bits);
    try {
      return openSync(self, flags & ~constants.O_NOFOLLOW);
    } finally {
      // A file can be read through the descriptor from here on; a directory needs its bits for every look inside.
      if (!wantsDir) tryChmod(self, mode);
    }
  } finally {
    closeSync(held);
  }
}

function tryChmod(path: string, mode: number): void {
  try {
    chmodSync(path, mode);
  } catch {
    // The open that follows tells what is the matter.
  }
}

/** A system error as ours. ELOOP is a link; ENOTDIR is one too where O_DIRECTORY met it, so the entry is looked at again. */
function translate(error: unknown, what: string, path?: Buffer): SafeFsError {
  if (error instanceof SafeFsError) return error;
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENAMETOOLONG":
      return new SafeFsError("missing", `${what} does not exist`, error);
    case "ELOOP":
      return new SafeFsError("link", `${what} is a symbolic link`, error);
    case "ENOTDIR":
      return path !== undefined && isLink(path)
        ? new SafeFsError("link", `${what} is a symbolic link`, error)
        : new SafeFsError("not_directory", `${what} is no directory`, error);
    case "ENXIO":
      return new SafeFsError("not_regular", `${what} is no regular file`, error);
    case "EACCES":
    case "EPERM":
      return new SafeFsError("unreadable", `${what} cannot be read: permission denied`, error);
    default:
      return new SafeFsError(
        "io",
        `${what} cannot be opened: ${error instanceof Error ? error.message : error}`,
        error,
      );
  }
}

function isLink(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
