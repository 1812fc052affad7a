// What a container is made with.
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, type Limits, MiB } from "../../../src/model/limits.js";
import { containerOptions, RUNNER_COMMAND, sandboxMounts } from "../../../src/sandbox/docker/container-options.js";
import type { EngineInfo } from "../../../src/sandbox/docker/engine.js";
import { daemonPath } from "../../../src/sandbox/docker/path-names.js";
import { ABLE, makeContext } from "./bed.js";

function made(limits: Partial<Limits> = {}, engine: Partial<EngineInfo> = {}, runtime: string | null = null) {
  const context = makeContext();
  return containerOptions(
    context,
    { ...ABLE, ...engine },
    {
      ...{ name: "iso-runtime-1", image: "sha256:1", runtime, command: RUNNER_COMMAND },
      limits: { ...DEFAULT_LIMITS, ...limits },
      mounts: sandboxMounts("/slots/i-1", context),
      user: { uid: 10001, gid: 10002 },
    },
  );
}

describe("a container", () => {
  it("is hardened", () => {
    const options = made();
    const host = options.HostConfig;
    expect(options).toMatchObject({ User: "10001:10002", NetworkDisabled: true, Tty: false, StdinOnce: true });
    expect(host).toMatchObject({
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      CgroupnsMode: "private",
      Dns: ["127.0.0.1"],
      LogConfig: { Type: "none" },
    });
    expect(host?.Tmpfs?.["/tmp"]).toMatch(/nosuid,nodev,mode=1777,size=\d+,nr_inodes=\d+$/);
    for (const opening of ["Privileged", "Binds", "CapAdd", "Devices", "PidMode", "VolumesFrom", "UsernsMode"])
      expect(host).not.toHaveProperty(opening);
    expect(options.Env?.every((entry) => /^(HOME|LANG)=/.test(entry))).toBe(true);
  });

  it("runs our runner as its first process, whatever image and engine would rather", () => {
    expect(made()).toMatchObject({
      Entrypoint: ["python3", "-I", "-X", "utf8", "/runner/iso_runner"],
      Cmd: [],
      Healthcheck: { Test: ["NONE"] },
      HostConfig: { Init: false, AutoRemove: false, RestartPolicy: { Name: "no" } },
    });
  });

  it("has the host's uids, as its files do, on an engine that remaps them", () => {
    expect(made({}, { users: "remapped" }).HostConfig).toMatchObject({ UsernsMode: "host" });
  });

  it("is run by the runtime that the profile names", () => {
    expect(made().HostConfig).not.toHaveProperty("Runtime");
    expect(made({}, {}, "runsc").HostConfig).toMatchObject({ Runtime: "runsc" });
  });

  it("ends at once when its engine stops, as the runner hears no gentler signal", () => {
    expect(made().StopSignal).toBe("SIGKILL");
  });

  it("is known as ours, this instance's and this root's", () => {
    expect(made().Labels).toEqual({ "iso-runtime": "1", "iso-runtime.instance": "i", "iso-runtime.root": "r" });
  });

  it("has the profile's limits, and no swap", () => {
    expect(made().HostConfig).toMatchObject({
      ...{ Memory: 512 * MiB, MemorySwap: 512 * MiB, NanoCpus: 1e9, PidsLimit: 129, ShmSize: 256 * MiB },
    });
    const small = made({ memory: 64 * MiB, cpus: 0.5 }).HostConfig;
    expect(small).toMatchObject({ Memory: 64 * MiB, NanoCpus: 5e8 });
    expect(small?.Tmpfs?.["/tmp"]).toContain(`size=${32 * MiB}`);
  });

  it("asks for no more processors than the machine has, which the engine would refuse", () => {
    expect(made({ cpus: 64 }, { cpus: 2 }).HostConfig?.NanoCpus).toBe(2e9);
    expect(made({ cpus: 64 }, { cpus: null }).HostConfig?.NanoCpus).toBe(64e9);
  });

  it("asks for no limit that the engine cannot keep", () => {
    const host = made({}, { limits: { memory: false, processes: true, cpus: false } }).HostConfig;
    expect(host).toMatchObject({ PidsLimit: 129 });
    for (const limit of ["Memory", "MemorySwap", "NanoCpus"]) expect(host).not.toHaveProperty(limit);
  });

  it("bounds descriptors and files around the program's own limits, with room for the runner", () => {
    const bounds = (limits: Partial<Limits>) =>
      Object.fromEntries(made(limits).HostConfig?.Ulimits?.map(({ Name, Hard }) => [Name, Hard]) ?? []);
    expect(bounds({ openFiles: 4096, fileSize: 100 * MiB })).toEqual({ nofile: 4160, fsize: 100 * MiB, core: 0 });
    expect(bounds({ openFiles: 64, fileSize: 1 })).toEqual({ nofile: 1024, fsize: 16 * MiB, core: 0 });
    // More than the kernel grants anybody would keep the container from starting.
    expect(bounds({ openFiles: 1_048_576 })).toMatchObject({ nofile: 1_048_576 });
  });

  it("mounts its slot and the runner, and nothing else of the host", () => {
    expect(made().HostConfig?.Mounts).toEqual([
      { Type: "bind", Source: "/slots/i-1", Target: "/sandbox", ReadOnly: false },
      { Type: "bind", Source: "/python/iso_runner", Target: "/runner/iso_runner", ReadOnly: true },
    ]);
  });

  it("is told of both by the daemon's names for them", () => {
    const context = makeContext({
      hostPathMap: [
        { from: "/slots", to: "/srv/slots" },
        { from: "/python", to: "/opt/python" },
      ],
    });
    expect(sandboxMounts("/slots/i-1", context).map(({ Source }) => Source)).toEqual([
      "/srv/slots/i-1",
      "/opt/python/iso_runner",
    ]);
  });
});

describe("daemonPath", () => {
  const map = [
    { from: "/data", to: "/srv/data" },
    { from: "/data/deep", to: "/mnt/deep" },
  ];
  it.each([
    ["/data/x", "/srv/data/x"],
    ["/data", "/srv/data"],
    ["/data/deep/x", "/mnt/deep/x"],
    ["/database/x", "/database/x"],
    ["/other", "/other"],
  ])("%s is %s", (path, mapped) => {
    expect(daemonPath(path, map)).toBe(mapped);
  });
});
