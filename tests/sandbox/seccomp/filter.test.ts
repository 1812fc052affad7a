// Every row of the filter on both machines, and the ways around it that are closed.
import { describe, expect, it } from "vitest";
import { BpfProgram, VERDICT } from "../../../src/sandbox/seccomp/bpf.js";
import { AUDIT_ARCH, buildFilter } from "../../../src/sandbox/seccomp/filter.js";
import { JUDGED, type Machine, NEWEST_KNOWN, numberOn, REFUSED } from "../../../src/sandbox/seccomp/syscalls.js";
import { judge } from "./bpf-interpreter.js";

const EPERM = VERDICT.errno(1);
const ENOSYS = VERDICT.errno(38);
const ESOCKTNOSUPPORT = VERDICT.errno(94);
const EAFNOSUPPORT = VERDICT.errno(97);
const AUDIT_ARCH_I386 = 0x40000003;
const AUDIT_ARCH_ARM = 0x40000028;

/** Calls that ordinary Python cannot do without. */
const NEEDED: Record<string, readonly [number, number]> = {
  read: [0, 63],
  write: [1, 64],
  openat: [257, 56],
  mmap: [9, 222],
  execve: [59, 221],
  exit_group: [231, 94],
  futex: [202, 98],
  prctl: [157, 167],
  prlimit64: [302, 261],
  memfd_create: [319, 279],
  getrandom: [318, 278],
  epoll_create1: [291, 20],
  pidfd_open: [434, 434],
  mknodat: [259, 33],
  shmget: [29, 194],
  sched_setaffinity: [203, 122],
  fchmodat2: [452, 452],
};

describe.each(["x64", "arm64"] as const satisfies Machine[])("the filter of %s", (machine) => {
  const filter = buildFilter(machine);
  const arch = AUDIT_ARCH[machine];
  const on = (number: number, ...args: bigint[]) => judge(filter, { arch, number, args });
  const judged = (name: keyof typeof JUDGED) => numberOn(machine, JUDGED[name]) ?? -1;

  const rows = REFUSED.flatMap(({ calls }) => Object.entries(calls)).flatMap(([name, numbers]) => {
    const number = numberOn(machine, numbers);
    return number === null ? [] : [{ name, number }];
  });

  it.each(rows)("refuses $name ($number)", ({ number }) => {
    expect(on(number)).toBe(EPERM);
  });

  it.each(Object.entries(NEEDED))("lets %s through", (_name, [x64, arm64]) => {
    expect(on(machine === "x64" ? x64 : arm64)).toBe(VERDICT.allow);
  });

  it("names no number twice", () => {
    expect(new Set(rows.map(({ number }) => number)).size).toBe(rows.length);
  });

  it("kills a call of any other machine, also the 32-bit ones of this", () => {
    const others = [AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH[machine === "x64" ? "arm64" : "x64"], 0];
    for (const other of others) expect(judge(filter, { arch: other, number: 1 })).toBe(VERDICT.killProcess);
  });

  it("knows no calls that are newer than it, nor x32 numbers", () => {
    expect(on(NEWEST_KNOWN)).toBe(VERDICT.allow);
    for (const number of [NEWEST_KNOWN + 1, 512, 0x40000000, 0x40000000 + 56, 0x7fffffff, 0xffffffff]) {
      expect(on(number)).toBe(ENOSYS);
    }
  });

  it("has libc fall back from clone3 to clone, whose flags it can read", () => {
    expect(on(judged("clone3"))).toBe(ENOSYS);
    const threads = 0x3d0f00n;
    const sigchld = 17n;
    for (const flags of [threads, sigchld, 0x4111n, 0xffn]) expect(on(judged("clone"), flags)).toBe(VERDICT.allow);
    for (const bit of [17n, 25n, 26n, 27n, 28n, 29n, 30n]) {
      expect(on(judged("clone"), (1n << bit) | sigchld)).toBe(EPERM);
    }
  });

  it("refuses what types into a terminal, whatever stands in the half the kernel ignores", () => {
    const ioctl = judged("ioctl");
    for (const request of [0x5412n, 0x541cn, 0x1_0000_5412n, 0xffff_ffff_0000_541cn]) {
      expect(on(ioctl, 0n, request)).toBe(EPERM);
    }
    for (const request of [0x5401n, 0x5413n, 0x541bn]) expect(on(ioctl, 0n, request)).toBe(VERDICT.allow);
  });

  it("lets a process set its own limits, and nobody else's", () => {
    const prlimit = judged("prlimit64");
    expect(on(prlimit, 0n, 7n, 0x7fff_0000n)).toBe(VERDICT.allow);
    for (const pid of [1n, 2n, 0xffff_ffffn, 0x1_0000_0001n]) expect(on(prlimit, pid, 0n, 0x7fff_0000n)).toBe(EPERM);
  });

  it("lets a program slow its own processes, and not the supervisor", () => {
    for (const [call, user] of [
      ["setpriority", 2n],
      ["ioprio_set", 3n],
    ] as const) {
      const ofProcess = user - 2n;
      for (const pid of [0n, 2n, 100n]) expect(on(judged(call), ofProcess, pid, 19n)).toBe(VERDICT.allow);
      for (const pid of [1n, 0x1_0000_0001n]) expect(on(judged(call), ofProcess, pid, 19n)).toBe(EPERM);
      for (const uid of [0n, 1n, 10001n]) expect(on(judged(call), user, uid, 19n)).toBe(EPERM);
    }
    for (const pid of [0n, 2n]) expect(on(judged("sched_setaffinity"), pid, 8n, 0x7fffn)).toBe(VERDICT.allow);
    expect(on(judged("sched_setaffinity"), 1n, 8n, 0x7fffn)).toBe(EPERM);
  });

  it("has sockets of three families and two kinds only", () => {
    for (const call of ["socket", "socketpair"] as const) {
      for (const family of [1n, 2n, 10n]) {
        for (const kind of [1n, 2n, 1n | 0x80800n]) expect(on(judged(call), family, kind)).toBe(VERDICT.allow);
        for (const kind of [3n, 4n, 5n, 10n, 3n | 0x80000n]) {
          expect(on(judged(call), family, kind)).toBe(ESOCKTNOSUPPORT);
        }
      }
      for (const family of [0n, 16n, 17n, 31n, 38n, 40n, 44n]) expect(on(judged(call), family, 1n)).toBe(EAFNOSUPPORT);
    }
  });
});

describe("the assembler", () => {
  it("refuses jumps that classic BPF cannot make", () => {
    const far = new BpfProgram().ifEqual(1, "end");
    for (let index = 0; index < 256; index++) far.load(0);
    expect(() => far.label("end").ret(0).assemble()).toThrow(/jump to end is 256/);
    expect(() => new BpfProgram().ifEqual(1, "nowhere").assemble()).toThrow(/no label nowhere/);
    expect(() => new BpfProgram().label("back").load(0).ifEqual(1, "back").assemble()).toThrow(/jump to back/);
    expect(() => new BpfProgram().label("a").label("a")).toThrow(/twice/);
  });
});
