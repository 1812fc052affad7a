// The parts of the Docker backend that need no engine.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, MiB } from "../../../src/model/limits.js";
import type { BackendContext } from "../../../src/sandbox/backend.js";
import { DockerBackend } from "../../../src/sandbox/docker/backend.js";
import { containerOptions, daemonPath } from "../../../src/sandbox/docker/container-options.js";
import { Demux } from "../../../src/sandbox/docker/demux.js";
import { suiteProfile } from "../../suites/backend-suite.js";

const context: BackendContext = {
  ...{
    instance: { id: "i", rootId: "r" },
    slotsDir: "/slots",
    owner: { uid: 10001, gid: 10002 },
    runnerDir: "/python",
  },
  ...{ python: null, searchPath: "", docker: { host: null, hostPathMap: [] } },
};

describe("a container", () => {
  const options = containerOptions(context, suiteProfile, { slot: "/slots/i-1", runnerPackage: "/python/iso_runner" });
  const host = options.HostConfig;

  it("is hardened", () => {
    expect(options).toMatchObject({ User: "10001:10002", NetworkDisabled: true, Tty: false, StdinOnce: true });
    expect(host).toMatchObject({
      ...{
        NetworkMode: "none",
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
        IpcMode: "private",
      },
      ...{ CgroupnsMode: "private", Dns: ["127.0.0.1"], LogConfig: { Type: "none" } },
    });
    expect(host?.Privileged).toBeUndefined();
    expect(host?.Binds).toBeUndefined();
    expect(options.Env?.every((entry) => /^(PATH|HOME|LANG)=/.test(entry))).toBe(true);
  });

  it("has the profile's limits, and no swap", () => {
    expect(host).toMatchObject({
      Memory: 512 * MiB,
      MemorySwap: 512 * MiB,
      NanoCpus: 1e9,
      PidsLimit: 129,
      ShmSize: 256 * MiB,
    });
    const small = containerOptions(
      context,
      { ...suiteProfile, limits: { ...DEFAULT_LIMITS, memory: 64 * MiB, cpus: 0.5 } },
      { slot: "/s", runnerPackage: "/r" },
    );
    expect(small.HostConfig).toMatchObject({ Memory: 64 * MiB, NanoCpus: 5e8 });
    expect(small.HostConfig?.Tmpfs?.["/tmp"]).toContain(`size=${32 * MiB}`);
  });

  it("mounts its slot and the runner, and nothing else of the host", () => {
    expect(host?.Mounts?.map(({ Source, Target, ReadOnly }) => [Source, Target, ReadOnly])).toEqual([
      ["/slots/i-1", "/sandbox", false],
      ["/python/iso_runner", "/runner/iso_runner", true],
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

describe("Demux", () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  it("takes frames apart, wherever they are split", () => {
    const frames = fc.array(fc.record({ stream: fc.constantFrom(1, 2), text: fc.string({ unit: "binary" }) }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(64), { minLength: 1 }), (sent, cuts) => {
        const whole = Buffer.concat(sent.map(({ stream, text }) => frame(stream, text)));
        const got: Record<number, Buffer[]> = { 1: [], 2: [] };
        const demux = new Demux(
          (bytes) => got[1]?.push(Buffer.from(bytes)),
          (bytes) => got[2]?.push(Buffer.from(bytes)),
        );
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const step = 1 + (cuts[turn % cuts.length] ?? 0);
          demux.push(whole.subarray(at, at + step));
          at += step;
        }
        for (const stream of [1, 2]) {
          const text = sent
            .filter((each) => each.stream === stream)
            .map((each) => each.text)
            .join("");
          expect(Buffer.concat(got[stream] ?? [])).toEqual(Buffer.from(text));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses what is no such stream", () => {
    const demux = new Demux(
      () => {},
      () => {},
    );
    expect(() => demux.push(Buffer.from("HTTP/1.1 200 OK\r\n"))).toThrow(/no frame/);
  });
});

describe("an engine that is not there", () => {
  it("is told by the probe with the command that mends it, and by a boot as sandbox_unavailable", async () => {
    const backend = new DockerBackend({ ...context, docker: { host: "unix:///nowhere/docker.sock", hostPathMap: [] } });
    const probe = await backend.probe();
    expect(probe).toMatchObject({
      usable: false,
      checks: [{ name: "engine", status: "fail", fix: expect.stringContaining("docker.io") }],
    });
    await expect(backend.boot(suiteProfile)).rejects.toMatchObject({
      code: "sandbox_unavailable",
      hint: expect.stringContaining("docker.io"),
    });
    await backend.close();
  });
});
