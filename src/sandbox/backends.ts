// Registry: the backends there are, best first. `auto` takes the first that its probe calls usable.
import type { BackendContext, SandboxBackend } from "./backend.js";
import { BubblewrapBackend } from "./bubblewrap/backend.js";
import { DockerBackend } from "./docker/backend.js";
import { ZygoteBackend } from "./zygote/backend.js";

export const BACKEND_NAMES = ["zygote", "bubblewrap", "docker"] as const;

const FACTORIES: Record<(typeof BACKEND_NAMES)[number], (context: BackendContext) => SandboxBackend> = {
  zygote: (context) => new ZygoteBackend(context),
  bubblewrap: (context) => new BubblewrapBackend(context),
  docker: (context) => new DockerBackend(context),
};

export function createBackends(context: BackendContext): Map<string, SandboxBackend> {
  return new Map(BACKEND_NAMES.map((name) => [name, FACTORIES[name](context)]));
}
