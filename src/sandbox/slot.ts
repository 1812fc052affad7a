// The folder of one sandbox on the host: what its engine binds while it waits, and what becomes the run's folder when the run's
// files are put into it. Both by rename, so that neither size nor number of files matters.
import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { step } from "../model/steps.js";
import { removeTree } from "../safefs/remove.js";
import type { BackendContext } from "./backend.js";

export interface Slot {
  readonly dir: string;
  /** The file system it is on. */
  readonly device: bigint;
  /** Where the folder goes that it takes the place of; null: nowhere. */
  readonly spares: SpareSlots | null;
}

type SlotContext = Pick<BackendContext, "slotsDir" | "instance">;

/**
 * Emptied folders that are the next slots: a rename is quicker than making a folder and removing another. Of one tenant alone, and only
 * where the host is root: then they are root's, and no program could leave anything on them.
 */
export class SpareSlots {
  readonly #context: SlotContext;
  readonly #dirs: { dir: string; device: bigint }[] = [];

  constructor(context: SlotContext) {
    this.#context = context;
  }

  take(): { dir: string; device: bigint } | null {
    return this.#dirs.pop() ?? null;
  }

  /** `device`: the file system that all slots are on. */
  keep(dir: string, device: bigint): void {
    const spare = newDir(this.#context);
    renameSync(dir, spare);
    this.#dirs.push({ dir: spare, device });
  }

  remove(): void {
    for (const { dir } of this.#dirs.splice(0)) {
      try {
        rmdirSync(dir);
      } catch {
        // It goes with all other files of the engine.
      }
    }
  }
}

const newDir = ({ slotsDir, instance }: SlotContext): string =>
  join(slotsDir, `${instance.id}-${randomBytes(8).toString("hex")}`);

/** The program cannot rename or remove `work` and `out` in it where the host is root, who owns it. */
export function makeSlot(context: SlotContext, spares: SpareSlots | null = null): Slot {
  const spare = spares?.take() ?? null;
  if (spare !== null) return { ...spare, spares };
  const dir = newDir(context);
  mkdirSync(dir);
  // The mode apart from the making, as the caller's umask may be strict.
  chmodSync(dir, 0o755);
  return { dir, device: lstatSync(dir, { bigint: true }).dev, spares };
}

/** Makes `<dir>/work` and `<dir>/out` the slot's, and the slot the folder at `dir`. An engine that bound the slot sees them at once. */
export async function deliverInto(slot: Slot, dir: string): Promise<void> {
  for (const part of ["work", "out"]) {
    renameSync(join(dir, part), join(slot.dir, part));
    step("deliver.moved");
  }
  // Where there are spares it is root's, and held nothing else when the run's files were put into it.
  if (slot.spares === null) rmdirSync(dir);
  else slot.spares.keep(dir, slot.device);
  step("deliver.emptied");
  renameSync(slot.dir, dir);
  step("deliver.placed");
}

/** Of a slot into which nothing was delivered. It is empty but after a delivery that failed halfway; and only then needs descriptors. */
export async function removeSlot(slot: Slot): Promise<void> {
  try {
    rmdirSync(slot.dir);
  } catch {
    await removeTree(slot.dir);
  }
}
