// Attacks on privileges and by system calls. Each call is one that the kernel would grant, or answer otherwise than the filter
// does: what reaches the kernel's own code is told from what the filter stopped.
import type { Probe } from "../attack.js";

/** The filter's answers. EPERM is the engine's own filter's as well. */
const FILTERED = { EPERM: "seccomp" } as const;

export const CALL_PROBES: readonly Probe[] = [
  {
    kind: "probe",
    name: "hold a capability",
    tries: "looks for a capability in any of its sets, also in those that a program it starts could get them from",
    layers: ["capabilities"],
    python: `
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
sets = {name: status[name].strip() for name in status if name.startswith("Cap")}
return sets if any(int(value, 16) for value in sets.values()) else absent("all of %s are empty" % ", ".join(sets))`,
    holders: { absent: "capabilities" },
  },
  {
    kind: "probe",
    name: "gain privileges by a program",
    tries: "looks whether a program that it starts could have more rights than itself",
    layers: ["no-new-privileges"],
    python: `
line = next(line for line in open("/proc/self/status") if line.startswith("NoNewPrivs"))
return line.strip() if line.split()[1] != "1" else absent(line.strip().replace("\\t", " "))`,
    holders: { absent: "no-new-privileges" },
  },
  {
    kind: "probe",
    name: "become root",
    tries: "sets its user to 0",
    layers: ["user-namespace", "capabilities", "host-uid"],
    python: `
os.setuid(0)
return os.getuid()`,
    holders: { EINVAL: "user-namespace", EPERM: "capabilities" },
  },
  {
    kind: "probe",
    name: "be under no filter",
    tries: "looks whether system calls are filtered at all",
    layers: ["seccomp"],
    python: `
status = {line.split(":")[0]: line.split()[1] for line in open("/proc/self/status") if line.startswith("Seccomp")}
return status if status.get("Seccomp") != "2" else absent(", ".join("%s %s" % pair for pair in status.items()))`,
    holders: { absent: "seccomp" },
  },
  {
    ...filtered(
      "make a user namespace",
      "call(272, 97, 0x10000000)",
      "unshares a user namespace, which the kernel gives every right in",
    ),
    layers: ["seccomp", "nested-userns"],
    holders: { EPERM: "seccomp", ENOSPC: "nested-userns" },
  },
  {
    ...filtered(
      "make a user namespace by clone",
      "call(56, 220, 0x10000011, None, None, None, 0) or os._exit(0)",
      "starts a process in a user namespace of its own",
    ),
    layers: ["seccomp", "nested-userns"],
    holders: { EPERM: "seccomp", ENOSPC: "nested-userns" },
  },
  {
    ...filtered("reach clone3", "call(435, 435, None, 0)", "calls clone3, whose flags no filter can read"),
    holders: { ENOSYS: "seccomp" },
  },
  {
    kind: "probe",
    name: "call by the 32-bit table",
    tries: "makes a system call by int 0x80, where every call has another number",
    layers: ["seccomp"],
    python: `
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()`,
    holders: { SIGSYS: "seccomp" },
    notHere: () => (process.arch === "x64" ? null : "this machine has no second table of system calls"),
  },
  filtered("use io_uring", "call(425, 425, 8, None)", "sets up io_uring, whose calls no filter sees"),
  filtered("catch page faults", "call(323, 282, 1)", "makes a userfaultfd"),
  filtered("trace", "call(101, 117, 0, 0, None, None)", "asks to be traced"),
  filtered("read memory of a process", "call(310, 270, os.getpid(), None, 0, None, 0, 0)", "calls process_vm_readv"),
  filtered(
    "use the host's keys",
    "call(250, 219, 0, -3, 0)",
    "asks for the session keyring, which no namespace holds apart",
  ),
  filtered("load a BPF program", "call(321, 280, 9999, None, 0)", "reaches bpf"),
  filtered("watch the processor", "call(298, 241, None, 0, -1, -1, 0)", "reaches perf_event_open"),
  filtered(
    "change its personality",
    "call(135, 92, 0xffffffff)",
    "asks for its personality, by which address layout is no longer random",
  ),
  filtered("mount", "call(165, 40, None, None, None, 0, None)", "reaches mount"),
  filtered("clone a mount", 'call(428, 428, -100, b"/", 0)', "opens a mount by the newer interface"),
  filtered("change its root", 'call(161, 51, b"/nowhere")', "reaches chroot"),
  filtered("enter a namespace", "call(308, 268, -1, 0)", "reaches setns"),
  filtered(
    "get a file's handle",
    'call(303, 264, -100, b"/usr", None, None, 0)',
    "asks for a handle, by which files are opened past every mount",
  ),
  filtered("watch file systems", "call(300, 262, 0x200, 0)", "makes a fanotify group"),
  filtered("place memory", "call(238, 237, 0, None, 0)", "sets a memory policy"),
  filtered(
    "change its scheduling",
    "call(144, 119, 0, 3, ctypes.byref(ctypes.c_int(0)))",
    "asks for another scheduling class",
  ),
  filtered(
    "limit the supervisor",
    "call(302, 261, 1, 7, None, (ctypes.c_ulong * 2)())",
    "reaches the supervisor's resource limits",
  ),
  {
    kind: "probe",
    name: "talk to the kernel's odd sockets",
    tries: "makes netlink, packet, VSOCK and kernel crypto sockets",
    layers: ["seccomp"],
    strict: true,
    python: `
def make(family, kind):
    socket.socket(family, kind).close()
    return family
return first([lambda pair=pair: make(*pair) for pair in ((16, 3), (40, 1), (38, 5), (17, 3))])`,
    holders: { EAFNOSUPPORT: "seccomp" },
  },
  {
    kind: "probe",
    name: "make a raw socket",
    tries: "makes a socket that writes its own packets",
    layers: ["seccomp", "capabilities"],
    python: `
socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
return "made"`,
    holders: { ESOCKTNOSUPPORT: "seccomp", EPERM: "capabilities" },
  },
  {
    kind: "probe",
    name: "type into a terminal",
    tries: "puts a character into a terminal of its own as if it were typed",
    layers: ["seccomp"],
    python: `
import fcntl, pty, termios
pid, terminal = pty.fork()
if pid == 0:
    try:
        fcntl.ioctl(0, termios.TIOCSTI, b"x")
        os._exit(0)
    except OSError as error:
        os._exit(error.errno)
status = os.WEXITSTATUS(os.waitpid(pid, 0)[1])
if status:
    raise OSError(status, "")
return "typed"`,
    holders: { EPERM: "seccomp" },
  },
];

function filtered(name: string, expression: string, tries: string): Probe {
  return {
    kind: "probe",
    name,
    tries,
    layers: ["seccomp"],
    strict: true,
    python: `return ${expression}`,
    holders: FILTERED,
  };
}
