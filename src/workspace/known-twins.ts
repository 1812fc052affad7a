// Twins that this process brought up to their live trees itself, by the version that they stand for. Nobody but the holder of a
// workspace's lock changes a twin, and whoever does makes a version: as long as the newest one is the same, so is the twin.
import { lstatSync } from "node:fs";

const MAX_KNOWN = 4_096;

export class KnownTwins {
  readonly #known = new Map<string, { id: string; ino: bigint }>();

  brought(dirName: string, id: string, ino: bigint): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(dirName, { id, ino });
  }

  /** True where the folder at `path` is the twin as it was when it was brought up to the version `id`. */
  has(dirName: string, id: string, path: string): boolean {
    const known = this.#known.get(dirName);
    if (known?.id !== id) return false;
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino === known.ino;
  }

  /** It is about to be changed. */
  forget(dirName: string): void {
    this.#known.delete(dirName);
  }
}
