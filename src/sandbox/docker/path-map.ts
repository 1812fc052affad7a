// Whether the daemon finds our folders: a random token is written here and read back by a container.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import type { BackendContext, Check } from "../backend.js";
import { makeSlot, removeSlot } from "../slot.js";
import { daemonPath } from "./container-options.js";
import { inTime, messageOf } from "./engine.js";

/** Null where no map is set: a local daemon sees what we see, and a wrong mount says so at boot. */
export async function checkPathMap(docker: Docker, context: BackendContext, image: string): Promise<Check | null> {
  const { hostPathMap } = context.docker;
  if (hostPathMap.length === 0) return null;
  const shown = hostPathMap.map(({ from, to }) => `${from}=${to}`).join(",");
  const slot = makeSlot(context);
  try {
    const token = randomBytes(16).toString("hex");
    writeFileSync(join(slot.dir, "token"), token, { mode: 0o644 });
    const found = await readBack(docker, image, daemonPath(slot.dir, hostPathMap));
    if (found === token)
      return { name: "path map", status: "ok", message: `the daemon finds our folders through ${shown}` };
    return wrong(shown, "the daemon mounts another folder than ours");
  } catch (error) {
    return wrong(shown, messageOf(error));
  } finally {
    await removeSlot(slot);
  }
}

async function readBack(docker: Docker, image: string, source: string): Promise<string> {
  const output = new PassThrough();
  let text = "";
  output.setEncoding("utf8").on("data", (chunk: string) => {
    if (text.length < 4096) text += chunk;
  });
  const mount = { Type: "bind" as const, Source: source, Target: "/sandbox", ReadOnly: true };
  const options = {
    Entrypoint: ["python3", "-I", "-c", "print(open('/sandbox/token').read())"],
    Tty: true,
    HostConfig: { NetworkMode: "none", AutoRemove: true, Mounts: [mount] },
  };
  await inTime(docker.run(image, [], output, options), "read the token back");
  return text.trim();
}

function wrong(shown: string, why: string): Check {
  return {
    ...{ name: "path map", status: "fail", message: `ISO_RUNTIME_DOCKER_HOST_PATH_MAP=${shown} is wrong: ${why}` },
    fix: "Set it to /path/in/this/container=/path/on/the/host for the folder that holds the sandbox root; `docker inspect` of this container shows its mounts.",
  };
}
