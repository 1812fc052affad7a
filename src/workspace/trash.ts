// Old trees on their way out: moved aside in one step, removed in the background, waited for at the end.
import { randomBytes } from "node:crypto";
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { unlockTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { removeTree } from "../safefs/remove.js";
import { ownerOf } from "./instance.js";

/** By then a short run that threw something away is over: nobody waits while it is removed. */
const LATER_MS = 20;

export class Trash {
  readonly #instanceId: string;
  readonly #waiting: string[] = [];
  #later: NodeJS.Timeout | null = null;
  #removing: Promise<void> = Promise.resolve();

  constructor(instanceId: string) {
    this.#instanceId = instanceId;
  }

  /** Moves `path` into `folder`, which is on the same mount, and removes it later. Absent is fine. */
  discard(path: string, folder: string): void {
    const aside = join(folder, `${this.#instanceId}.${randomBytes(8).toString("hex")}`);
    try {
      move(path, aside);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    this.#waiting.push(aside);
    this.#later ??= setTimeout(() => this.#begin(), LATER_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#later !== null) this.#begin();
    await this.#removing;
  }

  #begin(): void {
    if (this.#later !== null) clearTimeout(this.#later);
    this.#later = null;
    for (const path of this.#waiting.splice(0)) {
      // What cannot be removed now is tried again by whoever opens the roots after us.
      this.#removing = this.#removing.then(() => removeTree(path, { aside: true })).catch(() => undefined);
    }
  }
}

/** A program of our own uid may have taken its folder's permissions away, without which no folder changes its place. */
function move(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) !== "EACCES") throw error;
    unlockTrustedDir(path);
    renameSync(path, aside);
  }
}

/** Removes what dead instances left in a folder of ours whose names begin with their owner's id. */
export async function clearLeftovers(folder: string, isAlive: (id: string) => boolean): Promise<void> {
  for (const name of readdirSync(folder)) {
    const owner = ownerOf(name);
    if (owner !== null && isAlive(owner)) continue;
    await removeTree(join(folder, name)).catch(() => undefined);
  }
}
