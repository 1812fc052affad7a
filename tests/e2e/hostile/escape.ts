// Ways out of the sandbox: privileges, namespaces, mounts, devices, other processes, descriptors.
import { REFUSED } from "../../../src/sandbox/seccomp/syscalls.js";
import { type Attack, refused } from "./attack.js";

const COLUMN = process.arch === "arm64" ? 1 : 0;
/** Each call of the filter's table, by number, with arguments that do nothing where it is let through. */
const tableOfCalls = REFUSED.flatMap(({ calls }) =>
  Object.entries(calls).flatMap(([name, numbers]) => {
    const number = numbers[COLUMN];
    return number === null || number === undefined ? [] : [`("${name}", ${number})`];
  }),
).join(", ");

export const ESCAPES: readonly Attack[] = [
  {
    name: "compares its namespaces with the host's",
    meets: [2],
    code: `
import os
hosts = os.environ["HOST_NAMESPACES"].split()
for name in ("mnt", "pid", "net", "ipc", "uts"):
    print(os.readlink(f"/proc/self/ns/{name}") in hosts or os.readlink("/proc/self/ns/pid") != os.readlink("/proc/self/ns/pid_for_children"))
`,
    ends: "succeeded",
    prints: /^False$/,
  },
  refused(
    "becomes another user",
    [3],
    `
attempt("setuid", lambda: os.setuid(0) if os.getuid() else os.setuid(1))
attempt("setgid", lambda: os.setgid(0) if os.getgid() else os.setgid(1))
attempt("setgroups", lambda: os.setgroups([0]))
attempt("setresuid", lambda: os.setresuid(0, 0, 0) if os.getuid() else os.setresuid(1, 1, 1))
attempt("chown", lambda: os.chown(os.environ["OUTPUT_DIR"], 1234, 1234))
`,
  ),
  {
    name: "runs a program with the set-uid bit",
    meets: [3],
    code: String.raw`
import ctypes, os, shutil, subprocess
out = os.environ["OUTPUT_DIR"]
shutil.copy("/bin/sh", out + "/sh")
os.chmod(out + "/sh", 0o6755)
print(subprocess.run([out + "/sh", "-pc", "id -u"], capture_output=True, text=True).stdout.strip() == str(os.getuid()))
for path in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd"):
    if os.path.exists(path):
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
status = open("/proc/self/status").read()
print("NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status and "CapBnd" in status)
`,
    ends: "succeeded",
    prints: /^True$/,
    check: ({ result }) => {
      if (result.changes.created.some(({ path }) => path !== "sh")) throw new Error("more than its own file");
    },
  },
  {
    name: "asks the filter about every call of its table",
    meets: [4, 6, 15, 19],
    code: `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
minus_one = [ctypes.c_long(-1)] * 6
for name, number in [${tableOfCalls}]:
    answer = libc.syscall(ctypes.c_long(number), *minus_one)
    print(name, errno.errorcode.get(ctypes.get_errno()) if answer == -1 else "got through")
`,
    ends: "succeeded",
    prints: / (EPERM|ENOSYS)$/,
  },
  refused(
    "makes a nested user namespace",
    [4],
    `
NEWUSER, SIGCHLD = 0x10000000, 17
x64 = os.uname().machine == "x86_64"
attempt("unshare", lambda: syscall(272 if x64 else 97, NEWUSER))
attempt("clone", lambda: syscall(56 if x64 else 220, NEWUSER | SIGCHLD, 0, 0, 0, 0))
attempt("clone with every namespace", lambda: syscall(56 if x64 else 220, 0x7E020000 | SIGCHLD, 0, 0, 0, 0))
attempt("clone3", lambda: syscall(435, (ctypes.c_uint64 * 11)(NEWUSER), 88))
attempt("x32 unshare", lambda: syscall(0x40000000 + 272, NEWUSER))
attempt("setns", lambda: syscall(308 if x64 else 268, os.open("/proc/self/ns/user", os.O_RDONLY), 0))
`,
  ),
  {
    name: "calls the kernel by the 32-bit door",
    meets: [4],
    code: `
import ctypes, mmap, os, platform
if platform.machine() != "x86_64":
    os.kill(os.getpid(), 31)
# mov eax, 20 (getpid of i386); int 0x80; ret
code = bytes.fromhex("b814000000cd80c3")
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
print("answered", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))(), flush=True)
`,
    ends: /^program_signal SIG(SYS|SEGV)$/,
    prints: "",
  },
  refused(
    "mounts, old way and new",
    [4, 5],
    `
x64 = os.uname().machine == "x86_64"
attempt("mount", lambda: syscall(165 if x64 else 40, b"none", b"/tmp", b"tmpfs", 0, None))
attempt("bind", lambda: syscall(165 if x64 else 40, b"/", b"/tmp", None, 4096, None))
attempt("umount", lambda: syscall(166 if x64 else 39, b"/proc", 2))
attempt("pivot_root", lambda: syscall(155 if x64 else 41, b"/tmp", b"/tmp"))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("fsopen", lambda: syscall(430, b"tmpfs", 0))
attempt("open_tree", lambda: syscall(428, -100, b"/", 1))
attempt("mount_setattr", lambda: syscall(442, -100, b"/usr", 0, bytes(32), 32))
`,
  ),
  refused(
    "writes the kernel's own files",
    [5],
    `
import glob
for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
             "/proc/kcore", "/proc/kallsyms_", "/proc/acpi/wakeup", "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/uevent_helper",
             "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
             "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/memory.max", "/sys/power/state", "/proc/1/oom_score_adj"]:
    attempt(path, lambda: open(path, "r+b", buffering=0))
attempt("a control group", lambda: os.mkdir("/sys/fs/cgroup/memory/planted"))
attempt("a control group of version 2", lambda: os.mkdir("/sys/fs/cgroup/planted"))
attempt("oom_score_adj below zero", lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"))
`,
  ),
  refused(
    "reaches for devices",
    [6],
    `
import stat
attempt("mknod", lambda: os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)))
attempt("mknod in out", lambda: os.mknod(os.environ["OUTPUT_DIR"] + "/mem", 0o600 | stat.S_IFCHR, os.makedev(1, 1)))
for name in ("kmsg", "mem", "kmem", "port", "kvm", "fuse", "net/tun", "vsock", "vhost-net", "sda", "vda", "loop-control", "mapper/control", "dri/card0", "snapshot", "uinput", "btrfs-control"):
    attempt(name, lambda: os.open("/dev/" + name, os.O_RDWR))
x64 = os.uname().machine == "x86_64"
attempt("open_by_handle_at", lambda: syscall(304 if x64 else 265, -100, bytes(16), 0))
`,
  ),
  refused(
    "writes where the software lies",
    [7, 52],
    `
import site, sysconfig
folders = {"/", "/usr", "/usr/bin", "/etc", "/bin", "/lib", os.path.dirname(os.__file__), sysconfig.get_paths()["purelib"], "/proc", "/sys", "/sandbox", "/runner"}
for folder in sorted(folders):
    attempt(folder, lambda: open(os.path.join(folder, "planted.pth"), "w"))
attempt("the interpreter", lambda: open(os.path.realpath(sys.executable), "r+b"))
attempt("renaming", lambda: os.rename(os.__file__, os.__file__ + ".old"))
attempt("a hard link out of /usr", lambda: os.link("/usr/bin/env", os.environ["OUTPUT_DIR"] + "/env"))
`,
  ),
  {
    name: "kills and stops all it can see",
    meets: [8, 11],
    code: `
import os, signal, sys
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, signal.SIGCHLD, signal.SIGCONT):
    for pid in (1, os.getppid()):
        try: os.kill(pid, number)
        except OSError: pass
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        try: os.kill(int(name), signal.SIGKILL)
        except OSError: pass
child = os.fork()
if child == 0:
    os.kill(-1, signal.SIGKILL)
    os._exit(0)
os.waitpid(child, 0)
print("still here")
sys.exit(9)
`,
    // kill(-1) of the child takes the program too.
    ends: "program_signal SIGKILL",
  },
  {
    name: "stops everything by kill(-1, SIGSTOP)",
    meets: [11, 25],
    code: "import os, signal\nos.fork()\nos.kill(-1, signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)",
    ends: "timeout",
    request: { timeoutMs: 1000 },
  },
  {
    name: "goes through /proc of every process",
    meets: [8, 12],
    code: `
import os
foreign = 0
for pid in sorted(int(n) for n in os.listdir("/proc") if n.isdigit()):
    if pid == os.getpid():
        continue
    for part in ("mem", "environ", "maps", "fd", "root", "cwd", "exe", "stack", "syscall", "map_files", "task/%d/mem" % pid):
        path = f"/proc/{pid}/{part}"
        try:
            if part in ("fd", "map_files"): os.listdir(path)
            elif part in ("root", "cwd", "exe"): os.listdir(path) if part != "exe" else os.readlink(path)
            else: open(path, "rb").read(1)
            print("got through", path)
        except OSError as error:
            foreign += 1
print(foreign >= 11)
`,
    ends: "succeeded",
    prints: /^True$/,
  },
  {
    name: "looks for descriptors that nobody meant for it",
    meets: [9],
    code: `
import os, stat
kinds = []
for number in range(0, 4096):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    link = os.readlink(f"/proc/self/fd/{number}")
    kinds.append("null" if link == "/dev/null" else "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else link)
print(sorted(kinds))
`,
    ends: "succeeded",
    prints: "['null', 'pipe', 'pipe', 'pipe', 'pipe', 'socket']",
  },
  {
    name: "walks up from every descriptor",
    meets: [9, 14],
    code: `
import os
seen = set()
for base in ["/", ".", os.environ["OUTPUT_DIR"], *[f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]]:
    try:
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        continue
    for _ in range(40):
        fd = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
    seen.add(os.fstat(fd).st_ino == os.stat("/").st_ino and os.fstat(fd).st_dev == os.stat("/").st_dev)
print(seen)
`,
    ends: "succeeded",
    prints: "{True}",
  },
  refused(
    "types into a terminal",
    [10],
    String.raw`
import fcntl, termios
attempt("/dev/tty", lambda: os.open("/dev/tty", os.O_RDWR))
attempt("/dev/console", lambda: os.open("/dev/console", os.O_RDWR))
for fd in (0, 1, 2):
    attempt(f"TIOCSTI on {fd}", lambda: fcntl.ioctl(fd, termios.TIOCSTI, b"x"))
    attempt(f"TIOCLINUX on {fd}", lambda: fcntl.ioctl(fd, 0x541C, b"\x0b"))
`,
  ),
  refused(
    "raises its own limits and bends others'",
    [11, 21],
    `
import resource
x64 = os.uname().machine == "x86_64"
def raise_limit(kind):
    return syscall(160 if x64 else 164, kind, (ctypes.c_uint64 * 2)(1 << 40, 1 << 40))
attempt("nofile", lambda: raise_limit(resource.RLIMIT_NOFILE))
attempt("fsize", lambda: raise_limit(resource.RLIMIT_FSIZE))
attempt("core", lambda: raise_limit(resource.RLIMIT_CORE))
attempt("the supervisor's", lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (3, 3)))
attempt("its priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
attempt("the supervisor's priority", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt("its group's", lambda: os.setpriority(os.PRIO_PGRP, 1, 19))
attempt("everybody's", lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19))
attempt("the supervisor's access to disks", lambda: syscall(251 if x64 else 30, 1, 1, 0x6000))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("the supervisor's processors", lambda: os.sched_setaffinity(1, {0}))
`,
  ),
];
