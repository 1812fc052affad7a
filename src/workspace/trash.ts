// Old trees on their way out: moved aside in one step, removed in the background, waited for at the end.
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { openTrustedDir, unlockTrustedDir } from "../safefs/dir.js";
import { errnoOf } from "../safefs/errors.js";
import { ASIDE, removeAt, removeTree } from "../safefs/remove.js";
import { ownerOf } from "./instance.js";

/** By then a short run that threw something away is over: nobody waits while it is removed. */
const LATER_MS = 20;
/** Removed side by side, each by another thread: this one hears of several at once. */
const AT_A_TIME = 4;

export class Trash {
  readonly #instanceId: string;
  /** Names by the folder they are in. */
  readonly #waiting = new Map<string, string[]>();
  #count = 0;
  #later: NodeJS.Timeout | null = null;
  #removing: Promise<void> = Promise.resolve();

  constructor(instanceId: string) {
    this.#instanceId = instanceId;
  }

  /** Moves `path` into `folder`, which is on the same mount, and removes it later. Absent is fine. */
  discard(path: string, folder: string): void {
    this.#count += 1;
    const name = `${this.#instanceId}.${this.#count}`;
    try {
      move(path, join(folder, name));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    const names = this.#waiting.get(folder);
    if (names === undefined) this.#waiting.set(folder, [name]);
    else names.push(name);
    this.#later ??= setTimeout(() => this.#begin(), LATER_MS).unref();
  }

  async close(): Promise<void> {
    if (this.#later !== null) this.#begin();
    await this.#removing;
  }

  #begin(): void {
    if (this.#later !== null) clearTimeout(this.#later);
    this.#later = null;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    // What cannot be removed now is tried again by whoever opens the roots after us.
    for (const [folder, names] of waiting)
      this.#removing = this.#removing.then(() => removeAside(folder, names)).catch(() => undefined);
  }
}

async function removeAside(folder: string, names: readonly string[]): Promise<void> {
  using dir = openTrustedDir(folder);
  for (let at = 0; at < names.length; at += AT_A_TIME) {
    const some = names.slice(at, at + AT_A_TIME);
    await Promise.allSettled(some.map((name) => removeAt(dir, Buffer.from(name), ASIDE)));
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
