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
}

/** The program cannot rename or remove `work` and `out` in it where the host is root, who owns it. */
export function makeSlot({ slotsDir, instance }: Pick<BackendContext, "slotsDir" | "instance">): Slot {
  const dir = join(slotsDir, `${instance.id}-${randomBytes(8).toString("hex")}`);
  mkdirSync(dir);
  // The mode apart from the making, as the caller's umask may be strict.
  chmodSync(dir, 0o755);
  return { dir, device: lstatSync(dir, { bigint: true }).dev };
}

/** Makes `<dir>/work` and `<dir>/out` the slot's, and the slot the folder at `dir`. An engine that bound the slot sees them at once. */
export async function deliverInto(slot: Slot, dir: string): Promise<void> {
  for (const part of ["work", "out"]) {
    renameSync(join(dir, part), join(slot.dir, part));
    step("deliver.moved");
  }
  rmdirSync(dir);
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
