// What the tests of the Docker backend share: a context and an engine's description.
import type { BackendContext } from "../../../src/sandbox/backend.js";
import type { EngineInfo } from "../../../src/sandbox/docker/engine.js";
import { oneUser } from "../../../src/sandbox/host-users.js";

export function makeContext(docker: Partial<BackendContext["docker"]> = {}): BackendContext {
  return {
    instance: { id: "i", rootId: "r" },
    slotsDir: "/slots",
    users: oneUser({ uid: 10001, gid: 10002 }),
    runnerDir: "/python",
    python: null,
    searchPath: "",
    docker: { host: null, hostPathMap: [], ...docker },
  };
}

export const ABLE: EngineInfo = {
  version: "20.10.24",
  apiVersion: "1.41",
  cgroup: "cgroup-v1",
  limits: { memory: true, processes: true, cpus: true },
  limitsSwap: true,
  cpus: 2,
  seccomp: true,
  machine: "x64",
  runtimes: ["runc"],
  users: "host",
};
