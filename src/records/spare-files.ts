// Files that are whole or absent, from a stock of empty ones. To make a file is most of what a small one costs (up to a millisecond, on some
// file systems); to give one that is there its words and its name is not. So some are made ahead, a moment after they were used, off this
// thread. Nothing depends on them: where there is none a file is made as ever.
import { closeSync, existsSync, mkdirSync, open as openFile, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { errnoOf } from "../safefs/errors.js";
import { putWhole } from "./whole-file.js";

const open = promisify(openFile);
/** As many as a service with a full load uses between two looks. */
const STOCK = 16;
/** The run that used one is over by then, where it is short. */
const LATER_MS = 30;

interface Spare {
  path: string;
  fd: number;
}

export class SpareFiles {
  readonly #dir: string;
  readonly #owner: string;
  readonly #stock: Spare[] = [];
  #made = 0;
  #later: NodeJS.Timeout | null = null;
  #making: Promise<void> | null = null;
  #isClosed = false;

  /** A folder of their own on the same file system. Each is named for its process, as whatever a process did not finish. */
  constructor(dir: string, owner: string) {
    this.#dir = dir;
    this.#owner = owner;
    this.#refill();
  }

  /** Takes the place of what is there; a reader finds all of it or what was there. */
  put(path: string, text: string): void {
    const spare = this.#stock.pop();
    this.#refill();
    if (spare === undefined || !place(spare, path, text)) putWhole(path, text, this.#owner);
  }

  /** Leaves none behind. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#later !== null) clearTimeout(this.#later);
    await this.#making;
    for (const spare of this.#stock.splice(0)) drop(spare);
  }

  #refill(): void {
    if (this.#later !== null || this.#isClosed) return;
    this.#later = setTimeout(() => {
      this.#later = null;
      // A disk that takes none now may take some after the next use.
      this.#making ??= this.#make()
        .catch(() => undefined)
        .finally(() => {
          this.#making = null;
        });
    }, LATER_MS).unref();
  }

  async #make(): Promise<void> {
    // Never with the folders above it: those are somebody's who may have removed them.
    if (!existsSync(this.#dir)) mkdirSync(this.#dir, { mode: 0o700 });
    while (this.#stock.length < STOCK && !this.#isClosed) {
      this.#made += 1;
      const path = join(this.#dir, `${this.#made}.${this.#owner}`);
      this.#stock.push({ path, fd: await open(path, "wx", 0o600) });
    }
  }
}

/** False where it has no such place, as before a user's first file: then nothing is left of it. */
function place(spare: Spare, path: string, text: string): boolean {
  try {
    writeFileSync(spare.fd, text);
    renameSync(spare.path, path);
  } catch (error) {
    drop(spare);
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  closeSync(spare.fd);
  return true;
}

function drop({ path, fd }: Spare): void {
  closeSync(fd);
  rmSync(path, { force: true });
}
