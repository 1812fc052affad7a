// What a layer that is taken away does to a container's options, and that nothing changes where none is.
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/model/limits.js";
import { containerOptions } from "../../../src/sandbox/docker/container-options.js";
import { weakened } from "../../../src/sandbox/docker/weaken.js";
import { type Layer, NOTHING } from "../../../src/sandbox/layers.js";
import { ABLE, makeContext } from "./bed.js";

const OPTIONS = containerOptions(makeContext(), ABLE, {
  ...{ name: "one", image: "sha256:1", runtime: null, command: ["python3"], limits: DEFAULT_LIMITS, mounts: [] },
  user: { uid: 10001, gid: 10002 },
});
const without = (...layers: Layer[]) => weakened(OPTIONS, new Set(layers));

describe("options", () => {
  it("are the same where no layer is taken away", () => {
    expect(weakened(OPTIONS, NOTHING)).toBe(OPTIONS);
    expect(without("proof", "deadline", "sys")).toEqual(OPTIONS);
  });

  it.each<[Layer, object]>([
    ["pid-namespace", { PidMode: "host" }],
    ["network-namespace", { NetworkMode: "host" }],
    ["cgroup-namespace", { CgroupnsMode: "host" }],
    ["read-only-root", { ReadonlyRootfs: false }],
    ["no-new-privileges", { SecurityOpt: [] }],
    ["engine-seccomp", { SecurityOpt: ["no-new-privileges", "seccomp=unconfined"] }],
    ["proc-masks", { MaskedPaths: [], ReadonlyPaths: [] }],
  ])("without %s have %j", (layer, changed) => {
    expect(without(layer).HostConfig).toMatchObject(changed);
  });

  it.each<[Layer, string[]]>([
    ["capabilities", ["CapDrop"]],
    ["memory-cgroup", ["Memory", "MemorySwap"]],
    ["process-cgroup", ["PidsLimit"]],
    ["cpu-cgroup", ["NanoCpus"]],
    ["private-tmp", ["Tmpfs"]],
  ])("without %s lose %j", (layer, names) => {
    const kept = without(layer).HostConfig ?? {};
    expect(Object.keys(OPTIONS.HostConfig ?? {}).filter((name) => !(name in kept))).toEqual(names);
  });

  it("run as root only where that is asked for", () => {
    expect(OPTIONS.User).toBe("10001:10002");
    expect(without("host-uid").User).toBe("0:0");
  });
});
