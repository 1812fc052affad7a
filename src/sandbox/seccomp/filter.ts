// The filter every process of a sandbox runs under: a deny list that also checks the machine, so that no second ABI leads
// around it. New system calls are refused until somebody has looked at them.
import { BpfProgram, DATA, VERDICT } from "./bpf.js";
import { JUDGED, type Machine, NEWEST_KNOWN, numberOn, refusedNumbers } from "./syscalls.js";

const ERRNO = { EPERM: 1, ENOSYS: 38, ESOCKTNOSUPPORT: 94, EAFNOSUPPORT: 97 };

/** AUDIT_ARCH_* of the one ABI that is let through. */
export const AUDIT_ARCH: Record<Machine, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Numbers from here on are x32, a second table of the same calls under the same AUDIT_ARCH. */
const X32_BIT = 0x40000000;
/** CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWNS. NEWTIME shares its bit with the exit signal and exists in clone3 only. */
const CLONE_NEW_ANY = 0x7e020000;
/** Both put characters into a terminal as if they were typed. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const AF = { UNIX: 1, INET: 2, INET6: 10 };
const SOCK = { STREAM: 1, DGRAM: 2 };
/** What `setpriority` and `ioprio_set` call "all processes of a user", which the supervisor is one of. */
const PRIO_USER = 2;
const IOPRIO_WHO_USER = 3;
const SUPERVISOR_PID = 1;
/** The kind of socket without SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCK_TYPE_MASK = 0xf;

/** The filter as bubblewrap's `--seccomp` reads it. */
export function buildFilter(machine: Machine): Buffer {
  const call = (name: keyof typeof JUDGED): number => {
    const number = numberOn(machine, JUDGED[name]);
    if (number === null) throw new RangeError(`${machine} has no ${name}`);
    return number;
  };
  const program = new BpfProgram();
  program.load(DATA.arch).ifEqual(AUDIT_ARCH[machine], "our-abi").ret(VERDICT.killProcess);

  program.label("our-abi").load(DATA.number);
  if (machine === "x64") program.ifAtLeast(X32_BIT, "unknown");
  // clone3 passes its flags in memory, which no filter can read; libc falls back to clone where it is missing.
  program.ifGreater(NEWEST_KNOWN, "unknown").ifEqual(call("clone3"), "unknown");
  for (const number of refusedNumbers(machine)) program.ifEqual(number, "refused");
  program.ifEqual(call("clone"), "clone").ifEqual(call("ioctl"), "ioctl");
  program.ifEqual(call("socket"), "socket").ifEqual(call("socketpair"), "socket");
  program.ifEqual(call("prlimit64"), "prlimit").ifEqual(call("sched_setaffinity"), "affinity");
  program.ifEqual(call("setpriority"), "priority").ifEqual(call("ioprio_set"), "io-priority");
  program.ret(VERDICT.allow);

  program.label("unknown").ret(VERDICT.errno(ERRNO.ENOSYS));
  program.label("clone").load(DATA.argument(0)).ifAnySet(CLONE_NEW_ANY, "refused").ret(VERDICT.allow);
  // The kernel looks at the low half of the request alone, and so does this.
  program.label("ioctl").load(DATA.argument(1)).ifEqual(TIOCSTI, "refused").ifEqual(TIOCLINUX, "refused");
  program.ret(VERDICT.allow);
  // Its own processes may be slowed; a supervisor without processor time would end them late.
  program.label("priority").load(DATA.argument(0)).ifEqual(PRIO_USER, "refused").ifAtLeast(0, "whose-priority");
  program.label("io-priority").load(DATA.argument(0)).ifEqual(IOPRIO_WHO_USER, "refused");
  program.label("whose-priority").load(DATA.argument(1)).ifEqual(SUPERVISOR_PID, "refused").ret(VERDICT.allow);
  program.label("affinity").load(DATA.argument(0)).ifEqual(SUPERVISOR_PID, "refused").ret(VERDICT.allow);
  // A process sets its own limits as pid 0. By number it could give the supervisor one that the kernel ends it for.
  program.label("prlimit").load(DATA.argument(0)).ifEqual(0, "allowed");
  program.label("refused").ret(VERDICT.errno(ERRNO.EPERM));

  program.label("socket").load(DATA.argument(0));
  for (const family of Object.values(AF)) program.ifEqual(family, "family-known");
  program.ret(VERDICT.errno(ERRNO.EAFNOSUPPORT));
  program.label("family-known").load(DATA.argument(1)).and(SOCK_TYPE_MASK);
  for (const type of Object.values(SOCK)) program.ifEqual(type, "allowed");
  program.ret(VERDICT.errno(ERRNO.ESOCKTNOSUPPORT));
  program.label("allowed").ret(VERDICT.allow);
  return program.assemble();
}

/** The machine this process runs on, or null where there is no filter for it. */
export function thisMachine(): Machine | null {
  return process.arch === "x64" || process.arch === "arm64" ? process.arch : null;
}
