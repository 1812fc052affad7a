// The filter under which a container may hold the bubblewrap backend: an engine's own strictness, less what bubblewrap needs.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { REFUSED } from "../../../src/sandbox/seccomp/syscalls.js";

const Profile = z.strictObject({
  defaultAction: z.literal("SCMP_ACT_ERRNO"),
  defaultErrnoRet: z.literal(38),
  archMap: z.array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).length(0) })),
  syscalls: z.array(
    z.object({
      names: z.array(z.string()).nonempty(),
      action: z.enum(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"]),
      errnoRet: z.number().optional(),
      args: z.array(z.object({ index: z.number(), value: z.number(), op: z.string() })).optional(),
    }),
  ),
});

const { syscalls, archMap } = Profile.parse(
  JSON.parse(readFileSync(new URL("../../../docker/seccomp-host.json", import.meta.url), "utf8")),
);
const NEEDED = ["mount", "umount2", "pivot_root", "unshare", "sethostname"];
const named = (action: string) => syscalls.filter((rule) => rule.action === action).flatMap(({ names }) => names);
const refusedInside = REFUSED.flatMap(({ calls }) => Object.keys(calls));

describe("docker/seccomp-host.json", () => {
  it("allows nothing that a sandbox is refused, but what makes one", () => {
    const allowed = new Set(named("SCMP_ACT_ALLOW"));
    expect(refusedInside.filter((name) => allowed.has(name)).sort()).toEqual([...NEEDED].sort());
  });

  it("refuses the others by name, so that they answer EPERM and not that there is no such call", () => {
    const refused = syscalls.find(({ errnoRet, args }) => errnoRet === 1 && args === undefined)?.names ?? [];
    expect([...refused].sort()).toEqual(refusedInside.filter((name) => !NEEDED.includes(name)).sort());
  });

  it("names a call in one rule only, but for those judged by arguments", () => {
    const names = syscalls.filter(({ args }) => args === undefined).flatMap((rule) => rule.names);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it("knows both machines, and none of their 32-bit calls", () => {
    expect(archMap.map(({ architecture }) => architecture)).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]);
  });
});
