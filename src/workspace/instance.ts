// This process as an owner of things on disk: a random id, and a lock file of that name which the kernel keeps locked until
// the process ends, however it ends. Whether an owner lives is asked of that lock, never of a pid or an age.
import { randomBytes } from "node:crypto";
import { closeSync, readdirSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { IsoError } from "../model/errors.js";
import type { Instance } from "../model/instance.js";
import { errnoOf } from "../safefs/errors.js";
import { isLocked, openLocked } from "./kernel-lock.js";
import type { Layout } from "./layout.js";
import { readOrCreate } from "./small-file.js";

const ID_BYTES = 8;
const ID = /^[0-9a-f]{16}$/;
const newId = (): string => randomBytes(ID_BYTES).toString("hex");

/** Attempts to start: a file that is not locked yet looks like a dead one's, and may be cleared away by another process. */
const ATTEMPTS = 5;

export interface OwnInstance extends Instance {
  /** The lock file; hard links to it are this instance's tickets in queues. */
  readonly lockFile: string;
  close(): void;
}

export function startInstance(layout: Layout): OwnInstance {
  const rootId = readOrCreate(layout.rootId, newId);
  for (let attempt = 1; ; attempt++) {
    const id = newId();
    const lockFile = join(layout.instances, id);
    const unlocked = join(layout.instances, `${id}.new`);
    const fd = openLocked(unlocked);
    if (fd === null) {
      removeIfPresent(unlocked);
      if (attempt < ATTEMPTS) continue;
      throw new IsoError("internal", `Other processes keep looking at the new lock file "${unlocked}".`);
    }
    try {
      writeSync(fd, `${id}\n`);
      // Under its own name it is seen only from here on, when it is locked: seen and unlocked means dead.
      renameSync(unlocked, lockFile);
    } catch (error) {
      closeSync(fd);
      if (errnoOf(error) === "ENOENT" && attempt < ATTEMPTS) continue;
      throw error;
    }
    return { id, rootId, lockFile, close: () => endInstance(lockFile, fd) };
  }
}

function endInstance(lockFile: string, fd: number): void {
  try {
    removeIfPresent(lockFile);
  } catch {
    // Unlocked it is a dead one's, which the next start removes.
  } finally {
    closeSync(fd);
  }
}

/** The instance whose id a name of ours starts with, or null. */
export function ownerOf(name: string): string | null {
  const id = name.slice(0, 2 * ID_BYTES);
  return ID.test(id) ? id : null;
}

export function isInstanceAlive(layout: Layout, id: string): boolean {
  return ID.test(id) && isLocked(join(layout.instances, id));
}

/** Removes lock files of the dead. `own` needs no look, which is a process. */
export function clearDeadInstances(layout: Layout, own: string): void {
  for (const name of readdirSync(layout.instances)) {
    if (name === own) continue;
    const path = join(layout.instances, name);
    if (!isLocked(path)) removeIfPresent(path);
  }
}

export function removeIfPresent(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
