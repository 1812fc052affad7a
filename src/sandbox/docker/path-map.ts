// Whether the daemon finds our folders: a random token is written here and read back by a container.
import { randomBytes } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BackendContext, Check } from "../backend.js";
import { makeSlot, removeSlot, type Slot } from "../slot.js";
import { sandboxMounts } from "./container-options.js";
import { messageOf } from "./engine.js";
import { ask, type Connection } from "./one-off.js";

/** The runner is looked for as well: it may lie in a folder of its own, which only we have. */
const COMMAND = [
  "python3",
  "-I",
  "-c",
  "open('/runner/iso_runner/__main__.py').close(); print(open('/sandbox/token').read())",
];

/** Null where no map is set: a local daemon sees what we see, and a wrong mount says so at boot. */
export async function checkPathMap(
  connection: Connection,
  context: BackendContext,
  image: string,
): Promise<Check | null> {
  const { hostPathMap } = context.docker;
  if (hostPathMap.length === 0) return null;
  const shown = hostPathMap.map(({ from, to }) => `${from}=${to}`).join(",");
  let slot: Slot | null = null;
  try {
    slot = makeSlot(context);
    const token = randomBytes(16).toString("hex");
    writeFileSync(join(slot.dir, "token"), token);
    // The container's user reads it, whatever the caller's umask is.
    chmodSync(join(slot.dir, "token"), 0o644);
    const mounts = sandboxMounts(slot.dir, context);
    const found = (await ask(connection, context, { image, command: COMMAND, mounts })).trim();
    if (found !== token) return wrong(shown, "the daemon mounts another folder than ours");
    return { name: "path map", status: "ok", message: `the daemon finds our folders through ${shown}` };
  } catch (error) {
    return wrong(shown, messageOf(error));
  } finally {
    if (slot !== null) await removeSlot(slot);
  }
}

function wrong(shown: string, why: string): Check {
  return {
    ...{ name: "path map", status: "fail", message: `ISO_RUNTIME_DOCKER_HOST_PATH_MAP=${shown} is wrong: ${why}` },
    fix: "Set it to /path/in/this/container=/path/on/the/host for the folders that hold the sandbox root and this package; `docker inspect` of this container shows its mounts.",
  };
}
