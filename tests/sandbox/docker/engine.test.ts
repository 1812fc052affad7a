// What an engine says of itself and what its refusals mean, where none is needed to know.
import { createServer } from "node:http";
import { createServer as createNetServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/model/limits.js";
import { DockerBackend } from "../../../src/sandbox/docker/backend.js";
import { removeContainer } from "../../../src/sandbox/docker/container.js";
import { connect, hangUp, understand } from "../../../src/sandbox/docker/engine.js";
import { policyOf } from "../../../src/sandbox/docker/policy.js";
import { engineChecks } from "../../../src/sandbox/docker/probe.js";
import { DEFAULT_IMAGE, type Profile } from "../../../src/sandbox/profile.js";
import { tempDir } from "../../support/temp.js";
import { ABLE, makeContext } from "./bed.js";

const profile: Profile = {
  ...{
    name: "test",
    backend: "docker",
    image: DEFAULT_IMAGE,
    runtime: null,
    python: null,
    network: "none",
    limits: DEFAULT_LIMITS,
  },
  ...{ cwd: "work", env: {}, packages: [], preimports: [], require: [] },
};

describe("an engine's description", () => {
  const able = {
    CgroupVersion: "2",
    MemoryLimit: true,
    PidsLimit: true,
    CpuCfsQuota: true,
    SwapLimit: true,
    NCPU: 4,
    Architecture: "x86_64",
  };

  it("is understood", () => {
    expect(understand({ ...able, SecurityOptions: ["name=seccomp,profile=default", "name=cgroupns"] })).toEqual({
      ...{ cgroup: "cgroup-v2", limits: { memory: true, processes: true, cpus: true }, limitsSwap: true, cpus: 4 },
      ...{ seccomp: true, machine: "x64", runtimes: [], users: "host" },
    });
  });

  it.each([
    [
      "a filter that is told to let all pass",
      { SecurityOptions: ["name=seccomp,profile=unconfined"] },
      { seccomp: false },
    ],
    ["no filter", { SecurityOptions: [] }, { seccomp: false }],
    ["another machine", { Architecture: "aarch64" }, { machine: "arm64" }],
    ["a machine that our filter does not know", { Architecture: "riscv64" }, { machine: null }],
    ["remapped users", { SecurityOptions: ["name=userns"] }, { users: "remapped" }],
    ["a rootless engine", { SecurityOptions: ["name=rootless"] }, { users: "rootless" }],
    ["its runtimes", { Runtimes: { runc: {}, runsc: {} } }, { runtimes: ["runc", "runsc"] }],
    ["no control groups", { CgroupDriver: "none" }, { cgroup: null }],
    ["cgroup v1, which old engines do not name", { CgroupVersion: undefined }, { cgroup: "cgroup-v1" }],
    ["nothing at all", { MemoryLimit: null, NCPU: "many" }, { limits: { memory: false, processes: true, cpus: true } }],
  ])("tells %s", (_name, changes, expected) => {
    expect(understand({ ...able, ...changes })).toMatchObject(expected);
  });
});

describe("what the engine's description leads to", () => {
  it.each([
    ["API 1.40", { apiVersion: "1.40" }, "engine", "fail"],
    ["API 1.41", {}, "engine", "ok"],
    ["API 2.0", { apiVersion: "2.0" }, "engine", "ok"],
    ["a limit it cannot keep", { limits: { memory: true, processes: false, cpus: true } }, "limits", "warn"],
    ["swap it does not count", { limitsSwap: false }, "limits", "warn"],
    ["all limits", {}, "limits", "ok"],
    ["no filter", { seccomp: false }, "seccomp", "warn"],
    ["remapped users", { users: "remapped" }, "users", "ok"],
    ["a rootless engine", { users: "rootless" }, "users", "fail"],
  ] as const)("%s: %s", (_name, changes, name, status) => {
    const check = engineChecks({ ...ABLE, ...changes }).find((each) => each.name === name);
    expect(check?.status).toBe(status);
    expect(check?.fix === undefined).toBe(status === "ok");
  });

  it("is in each run's policy", () => {
    const user = { uid: 10001, gid: 10001, exclusive: false, release() {} };
    expect(policyOf(profile, ABLE, user, { facts: null, isolation: null, filtered: false })).toMatchObject({
      limits: {
        memory: { enforcedBy: "cgroup-v1", hits: null },
        processes: { enforcedBy: "cgroup-v1" },
        cpus: { enforcedBy: "cgroup-v1" },
        openFiles: { enforcedBy: "rlimit" },
        disk: { enforcedBy: "polling" },
      },
      isolation: { seccomp: true, hostUid: 10001 },
    });
    const weak = {
      ...ABLE,
      limits: { memory: true, processes: false, cpus: false },
      seccomp: false,
    };
    const policy = policyOf(profile, weak, user, {
      facts: { oomKills: 1, processHits: null, lost: null },
      isolation: null,
      filtered: false,
    });
    expect(policyOf(profile, weak, user, { facts: null, isolation: null, filtered: true }).isolation.seccomp).toBe(
      true,
    );
    // What the kernel counts for a user bounds one sandbox only where the user is that sandbox's alone.
    const known = { facts: null, isolation: null, filtered: true };
    const alone = policyOf(profile, weak, { ...user, exclusive: true }, known);
    expect(alone.limits.processes.enforcedBy).toBe("rlimit");
    expect(policy).toMatchObject({
      limits: {
        memory: { enforcedBy: "cgroup-v1", hits: 1 },
        processes: { enforcedBy: "none" },
        cpus: { enforcedBy: "none" },
      },
      isolation: { seccomp: false },
    });
  });
});

describe("an engine that cannot be used", () => {
  async function refusal(host: string) {
    const backend = new DockerBackend({ ...makeContext({ host }), slotsDir: tempDir() });
    onTestFinished(() => backend.close());
    const { usable, checks } = await backend.probe();
    const thrown: unknown = await backend.boot(profile).catch((error: unknown) => error);
    return { usable, checks, thrown };
  }

  it.each([
    ["unix:///nowhere/docker.sock", "no Docker engine at unix:///nowhere/docker.sock", "docker.io"],
    ["tcp://127.0.0.1:9", "the Docker engine at tcp://127.0.0.1:9 does not run", "systemctl start docker"],
    ["ssh://somebody@somewhere", 'DOCKER_HOST "ssh://somebody@somewhere" is no address', "unix:///path"],
    ["/var/run/docker.sock", 'DOCKER_HOST "/var/run/docker.sock" is no address', "unix:///path"],
  ])("%s: told by the probe with the command that mends it, and by a boot", async (host, message, fix) => {
    const { usable, checks, thrown } = await refusal(host);
    expect(usable).toBe(false);
    expect(checks).toMatchObject([
      { name: "engine", status: "fail", message: expect.stringContaining(message), fix: expect.stringContaining(fix) },
    ]);
    expect(thrown).toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringContaining(message),
      hint: expect.stringContaining(fix),
    });
  });

  it.each([
    ["too old", { ApiVersion: "1.40", Version: "19.03" }, {}, "speaks API 1.40"],
    ["rootless", { ApiVersion: "1.41", Version: "20.10" }, { SecurityOptions: ["name=rootless"] }, "is rootless"],
    ["none", {}, {}, "no Docker engine"],
  ])("says so where it is %s", async (_name, version, info, message) => {
    const socket = join(tempDir(), "s");
    const server = createServer((request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(request.url?.endsWith("/version") ? version : info));
    }).listen(socket);
    onTestFinished(() => void server.close());
    const { usable, checks, thrown } = await refusal(`unix://${socket}`);
    expect(usable).toBe(false);
    expect(checks.find(({ status }) => status === "fail")?.message).toContain(message);
    expect(thrown).toMatchObject({ code: "sandbox_unavailable", message: expect.stringContaining(message) });
  });

  it("is not waited for without end, and its connection is let go, where it takes calls and answers none", async () => {
    const socket = join(tempDir(), "s");
    const sockets = new Set<Socket>();
    const server = createNetServer((each) => {
      sockets.add(each.resume());
      each.on("close", () => sockets.delete(each));
    }).listen(socket);
    onTestFinished(() => void server.close());
    const backend = new DockerBackend({ ...makeContext({ host: `unix://${socket}` }), slotsDir: tempDir() });
    expect((await backend.probe()).checks).toMatchObject([
      { status: "fail", message: expect.stringContaining("did not tell its version within 5 s") },
    ]);
    await expect.poll(() => sockets.size).toBe(0);
  });

  it("has no connection left once it was probed, and once the backend is closed", async () => {
    const socket = join(tempDir(), "s");
    const sockets = new Set<Socket>();
    let calls = 0;
    const server = createServer((request, response) => {
      calls += 1;
      response.setHeader("content-type", "application/json");
      if (request.url?.endsWith("/version")) response.end(JSON.stringify({ ApiVersion: "1.41", Version: "20.10" }));
      else response.writeHead(request.url?.endsWith("/info") ? 200 : 404).end(JSON.stringify({ message: "no image" }));
    });
    server.on("connection", (each: Socket) => {
      sockets.add(each);
      each.on("close", () => sockets.delete(each));
    });
    server.keepAliveTimeout = 60_000;
    server.listen(socket);
    onTestFinished(() => void server.close());
    const backend = new DockerBackend({ ...makeContext({ host: `unix://${socket}` }), slotsDir: tempDir() });
    await backend.probe();
    await expect.poll(() => sockets.size).toBe(0);
    await expect(backend.boot(profile)).rejects.toMatchObject({ code: "sandbox_unavailable" });
    expect(calls).toBeGreaterThan(4);
    expect(sockets.size).toBe(1);
    await backend.close();
    await expect.poll(() => sockets.size).toBe(0);
  });

  it("says so where something else listens", async () => {
    const socket = join(tempDir(), "s");
    const server = createServer((_request, response) => response.writeHead(418).end("teapot")).listen(socket);
    onTestFinished(() => void server.close());
    const { usable, checks, thrown } = await refusal(`unix://${socket}`);
    expect(usable).toBe(false);
    expect(checks[0]?.message).toContain("418");
    expect(thrown).toMatchObject({ code: "sandbox_unavailable" });
  });

  it("is no failure of `doctor --fix`, which another backend may not need", async () => {
    const backend = new DockerBackend(makeContext({ host: "unix:///nowhere/docker.sock" }));
    const lines: string[] = [];
    await backend.fix((line) => lines.push(line));
    expect(lines).toEqual([expect.stringContaining("nothing was built")]);
  });
});

it("is waited for while it removes a container that somebody else told it to remove", async () => {
  const socket = join(tempDir(), "s");
  const answers: number[] = [];
  const server = createServer((_request, response) => {
    const status = answers.length < 12 ? 409 : 404;
    answers.push(status);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ message: "busy" }));
  }).listen(socket);
  onTestFinished(() => void server.close());
  const docker = await connect(`unix://${socket}`);
  onTestFinished(() => hangUp(docker));
  await removeContainer(docker.getContainer("c"));
  expect(answers).toEqual([...Array(12).fill(409), 404]);
});

it("goes where it was told, whatever the environment says", async () => {
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = "tcp://192.0.2.1:2375";
  onTestFinished(() => {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  });
  const socket = join(tempDir(), "s");
  const server = createServer((_request, response) => response.end("OK")).listen(socket);
  onTestFinished(() => void server.close());
  const docker = await connect(`unix://${socket}`);
  expect(String(await docker.ping())).toBe("OK");
});
