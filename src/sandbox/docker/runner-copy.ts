// The runner where the daemon finds it. A map of paths that leaves the installed one out, as where it is part of the image that we run in
// ourselves, gets a copy of it beside the sandboxes' folders, which are mapped in any case.
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../../safefs/remove.js";
import type { BackendContext } from "../backend.js";
import { isMapped } from "./path-names.js";

const NAME = "iso_runner";
type Place = Pick<BackendContext, "runnerDir" | "slotsDir" | "instance" | "docker">;

/** The folder to bind. */
export function runnerFor(place: Place): string {
  const installed = join(place.runnerDir, NAME);
  const { hostPathMap } = place.docker;
  if (hostPathMap.length === 0 || isMapped(installed, hostPathMap)) return installed;
  const folder = copyFolder(place);
  const copy = join(folder, NAME);
  if (existsSync(copy)) return copy;
  const making = join(folder, "making");
  // Modes apart from making, as the caller's umask may be strict and the sandbox's user another one.
  for (const made of [folder, making]) {
    mkdirSync(made, { recursive: true });
    chmodSync(made, 0o755);
  }
  for (const file of readdirSync(installed).filter((name) => name.endsWith(".py"))) {
    cpSync(join(installed, file), join(making, file));
    chmodSync(join(making, file), 0o644);
  }
  renameSync(making, copy);
  return copy;
}

export async function removeRunnerCopy(place: Place): Promise<void> {
  if (existsSync(copyFolder(place))) await removeTree(copyFolder(place));
}

const copyFolder = ({ slotsDir, instance }: Place) => join(slotsDir, `${instance.id}-runner`);
