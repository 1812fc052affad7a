// What a layer that is taken away does to the engine's arguments, and that nothing changes where none is.
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, LIMITS } from "../../../src/model/limits.js";
import { weakened } from "../../../src/sandbox/bubblewrap/weaken.js";
import { type Layer, NOTHING } from "../../../src/sandbox/layers.js";
import { unbounded } from "../../../src/sandbox/linux/without.js";

const ARGS = [
  ...["--unshare-user", "--unshare-all", "--disable-userns", "--uid", "1", "--gid", "1", "--hostname", "sandbox"],
  ...["--cap-drop", "ALL", "--new-session", "--as-pid-1", "--seccomp", "6"],
  ...[
    "--proc",
    "/proc",
    "--ro-bind",
    "/proc/sys",
    "/proc/sys",
    "--ro-bind",
    "/dev/null",
    "/proc/keys",
    "--dev",
    "/dev",
  ],
  ...["--size", "9", "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"],
  ...["--size", "9", "--perms", "1777", "--tmpfs", "/tmp", "--ro-bind", "/usr", "/usr"],
  ...["--remount-ro", "/", "--chdir", "/", "--clearenv", "--", "python3", "--seccomp", "--clearenv"],
];

const without = (...layers: Layer[]) => weakened(ARGS, new Set(layers), (path) => `/staged${path}`);
const gone = (args: string[]) =>
  ARGS.filter((word, at) => word.startsWith("--") && !args.includes(word) && ARGS.indexOf(word) === at);

describe("arguments", () => {
  it("are the same where no layer is taken away", () => {
    expect(weakened(ARGS, NOTHING, String)).toEqual(ARGS);
    // Layers of others change nothing either.
    expect(without("proof", "deadline", "memory-cgroup", "engine-seccomp")).toEqual(ARGS);
  });

  it.each<[Layer, string[]]>([
    ["user-namespace", ["--unshare-user", "--unshare-all", "--disable-userns", "--uid", "--gid"]],
    ["pid-namespace", ["--unshare-all", "--as-pid-1"]],
    ["network-namespace", ["--unshare-all"]],
    ["uts-namespace", ["--unshare-all", "--hostname"]],
    ["capabilities", ["--cap-drop"]],
    ["nested-userns", ["--disable-userns"]],
    ["new-session", ["--new-session"]],
    ["private-dev", ["--dev"]],
    ["seccomp", []],
    ["environment", []],
  ])("without %s lose %j", (layer, flags) => {
    const args = without(layer);
    expect(gone(args)).toEqual(flags);
    // The program's own arguments are not the engine's.
    expect(args.slice(args.indexOf("--"))).toEqual(ARGS.slice(ARGS.indexOf("--")));
  });

  it("keep all other namespaces where one is taken away", () => {
    const kinds = without("ipc-namespace").filter((word) => word.startsWith("--unshare"));
    expect(kinds).toEqual([
      "--unshare-user",
      "--unshare-pid",
      "--unshare-net",
      "--unshare-uts",
      "--unshare-cgroup-try",
    ]);
  });

  it("lose a size, or the whole file system for the host's", () => {
    expect(without("tmp-size").join(" ")).toContain("--tmpfs /dev/shm --remount-ro /dev --perms 1777 --tmpfs /tmp");
    expect(without("private-tmp").join(" ")).toContain("--remount-ro /dev --bind /staged/tmp /tmp --ro-bind /usr");
  });

  it("show more of the host before the root is closed", () => {
    expect(without("sys").join(" ")).toContain("--bind /sys /sys --remount-ro / --chdir");
    expect(without("sys", "read-only-root").join(" ")).toContain("--ro-bind /usr /usr --bind /sys /sys --chdir");
    expect(without("proc-masks").join(" ")).not.toContain("/proc/");
  });

  it("never get the host's own capabilities", () => {
    expect(without("user-namespace", "capabilities")).not.toContain("--cap-add");
  });
});

describe("the bounds of a control group", () => {
  it("are lifted one by one", () => {
    expect(unbounded(DEFAULT_LIMITS, NOTHING)).toBe(DEFAULT_LIMITS);
    const { memory, processes, cpus } = DEFAULT_LIMITS;
    expect(unbounded(DEFAULT_LIMITS, new Set(["memory-cgroup"]))).toEqual({
      memory: LIMITS.memory.max,
      processes,
      cpus,
    });
    expect(unbounded(DEFAULT_LIMITS, new Set(["cpu-cgroup"]))).toEqual({ memory, processes, cpus: LIMITS.cpus.max });
  });
});
