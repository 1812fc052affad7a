// Everything that runs can leave on this machine, found by their root: files of the state folders, processes, control groups,
// containers.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Docker from "dockerode";
import { LABELS } from "../../src/sandbox/docker/container-options.js";
import { leftOver } from "./processes.js";

const STATE_FOLDERS = [
  ...["instances", "staging", "trash"].map((name) => `workspace/.iso-runtime/${name}`),
  ...["slots", "runs", "building", "trash"].map((name) => `sandbox/.iso-runtime/${name}`),
];

/** What is left, in words; nothing once all is well. Waits a moment for what the kernel is still taking down. */
export async function tracesOf(roots: string): Promise<string[]> {
  const rootId = readFileSync(join(roots, "workspace/.iso-runtime/root-id"), "utf8").trim();
  const files = STATE_FOLDERS.flatMap((folder) => namesIn(join(roots, folder)).map((name) => `${folder}/${name}`));
  const queue = join(roots, "workspace/.iso-runtime/queue");
  const tickets = namesIn(queue).flatMap((name) =>
    namesIn(join(queue, name)).map((ticket) => `ticket ${name}/${ticket}`),
  );
  const processes = (await leftOver(join(roots, "sandbox"))).map((pid) => `process ${pid}`);
  const containers = (await containersOf(rootId)).map((id) => `container ${id}`);
  return [
    ...containers,
    ...files,
    ...tickets,
    ...processes,
    ...enginesOf(rootId).map((pid) => `engine ${pid}`),
    ...groupsOf(rootId),
  ];
}

async function containersOf(rootId: string): Promise<string[]> {
  const host = process.env.DOCKER_HOST;
  if (!host?.startsWith("unix://")) return [];
  const docker = new Docker({ socketPath: host.slice("unix://".length) });
  const filters = { label: [`${LABELS.root}=${rootId}`] };
  return (await docker.listContainers({ all: true, filters })).map(({ Id }) => Id);
}

/** By the mark in the environment they were started with: one that waits for its parent has no mounts of its own yet. */
export function enginesOf(rootId: string): string[] {
  return namesIn("/proc").filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(`ISO_RUNTIME_SANDBOX=${rootId}-`)
      );
    } catch {
      return false;
    }
  });
}

function groupsOf(rootId: string): string[] {
  const places = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, controllers, path] = line.split(":");
      if (controllers === undefined || path === undefined) return [];
      const mount = `/sys/fs/cgroup/${controllers === "" ? "unified" : controllers}`;
      return [join(mount, path, "iso-runtime"), join("/sys/fs/cgroup", path, "iso-runtime")];
    });
  return places.flatMap((place) =>
    namesIn(place)
      .filter((name) => name.startsWith(rootId))
      .map((name) => `group ${name}`),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
