// What a suite left on the host, by facts of the host alone.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import Docker from "dockerode";

export function mountsOf(root: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes(basename(root)));
}

/** In every mounted hierarchy, wherever our own process is placed in it. */
export function controlGroupsOf(rootId: string): string[] {
  return foldersBelow("/sys/fs/cgroup", 6).filter((dir) => basename(dir).startsWith(`${rootId}-`));
}

function foldersBelow(dir: string, levels: number): string[] {
  if (levels === 0) return [];
  let names: string[] = [];
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch {
    // Somebody else's group, which ended meanwhile.
  }
  return names.map((name) => join(dir, name)).flatMap((path) => [path, ...foldersBelow(path, levels - 1)]);
}

export async function containersOf(rootId: string): Promise<string[]> {
  const docker = new Docker({ socketPath: (process.env.DOCKER_HOST ?? "").replace(/^unix:\/\//, "") });
  const found = await docker.listContainers({ all: true, filters: { label: [`iso-runtime.root=${rootId}`] } });
  return found.map(({ Id }) => Id);
}
