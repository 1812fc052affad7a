// Attacks on what tells of the host or reaches it: namespaces, network, processes, environment, descriptors, /proc and /sys.
import type { Layer } from "../../sandbox/layers.js";
import type { Probe } from "../attack.js";
import { namespaceOf } from "../scene.js";

const FOLDERS_OF_ENGINE = "the engine shows /sys read-only, by itself";

export const HOST_PROBES: readonly Probe[] = [
  namespace("user", "user-namespace", "has the host's user ids", "containers of this engine have the host's user ids"),
  namespace("mnt", "mount-namespace", "is among the host's mounts"),
  namespace("pid", "pid-namespace", "is among the host's processes"),
  namespace("net", "network-namespace", "is on the host's network"),
  namespace("ipc", "ipc-namespace", "shares System V segments and POSIX queues with the host"),
  namespace("uts", "uts-namespace", "has the host's name"),
  namespace("cgroup", "cgroup-namespace", "sees the host's names of control groups"),
  {
    kind: "probe",
    name: "find the host's processes",
    tries: "looks for the process that started it, by its pid and the time it started",
    layers: ["pid-namespace"],
    python: `
try:
    stat = open("/proc/%d/stat" % HOST_PID).read()
except FileNotFoundError:
    absent("no process has that pid inside")
if stat[stat.rindex(")") + 2:].split()[19] != HOST_STARTED:
    absent("another process has that pid inside")
return "it is there"`,
    holders: { absent: "pid-namespace" },
    notHere: ({ facts }) => (facts.HOST_STARTED === null ? "this host has no /proc" : null),
  },
  {
    kind: "probe",
    name: "connect to the host's loopback",
    tries: "connects to a listener on the host, by 127.0.0.1, 0.0.0.0, ::1 and a mapped address",
    layers: ["network-namespace"],
    python: `
def reach(host):
    with socket.create_connection((host, PORT), 2) as s:
        return host if s.recv(100).decode() == SECRET else absent("somebody else listens there")
return first([lambda host=host: reach(host) for host in ("127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1")])`,
    holders: {
      ...{ ECONNREFUSED: "network-namespace", ENETUNREACH: "network-namespace" },
      ...{ EADDRNOTAVAIL: "network-namespace", absent: "network-namespace" },
    },
  },
  {
    kind: "probe",
    name: "connect to an abstract socket of the host",
    tries: "connects to a socket of the host that has a name and no file",
    layers: ["network-namespace"],
    python: `
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(2)
    s.connect("\\0" + ABSTRACT)
    return s.recv(100).decode()`,
    holders: { ECONNREFUSED: "network-namespace" },
    notHere: ({ facts }) => (facts.ABSTRACT === null ? "this system has no such sockets" : null),
  },
  {
    kind: "probe",
    name: "find a way out",
    tries: "asks the kernel for a route to an address that documentation keeps for itself; nothing is sent",
    layers: ["network-namespace"],
    python: `
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("203.0.113.1", 53))
    return s.getsockname()`,
    holders: { ENETUNREACH: "network-namespace" },
  },
  {
    kind: "probe",
    name: "find the host's environment",
    tries: "looks for a variable of the host in its own environment and in every /proc/PID/environ",
    layers: ["environment"],
    python: `
found = ["os.environ"] if VARIABLE in os.environ else []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if VARIABLE.encode() in open("/proc/%s/environ" % pid, "rb").read():
            found.append("/proc/%s/environ" % pid)
    except OSError:
        pass
return found if found else absent("it is nowhere")`,
    holders: { absent: "environment" },
  },
  {
    kind: "probe",
    name: "find an inherited descriptor",
    tries: "lists its open descriptors for sockets and files that are not its own",
    layers: ["descriptors"],
    python: `
found = []
for number in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        link = os.readlink("/proc/self/fd/%d" % number)
    except OSError:
        continue
    if not link.startswith("/proc/") and link != "/dev/null":
        found.append("%d %s" % (number, link.split(":")[0]))
sockets = [entry for entry in found if entry.endswith("socket")]
files = [entry for entry in found if "/" in entry and "/memfd" not in entry]
if len(sockets) <= 1 and not files:
    absent("there are its streams, and one socket for its tools: " + ", ".join(found))
return found`,
    holders: { absent: "descriptors" },
  },
  {
    kind: "probe",
    name: "reach the host's terminal",
    tries: "asks for its session and its terminal",
    layers: ["new-session"],
    python: `
if os.getsid(0) == 0:
    return "its session is one of the host's"
return opened("/dev/tty", os.O_RDONLY)`,
    holders: { ENXIO: "new-session", ENOENT: "private-dev", EACCES: "host-uid" },
  },
  {
    kind: "probe",
    name: "write to the host's kernel settings",
    tries: "opens core_pattern for writing: what it names runs as root of the host",
    layers: ["proc-masks", "host-uid"],
    python: `return first([lambda path=path: opened("/proc/sys/kernel/" + path) for path in ("core_pattern", "modprobe", "hostname")])`,
    holders: { EROFS: "proc-masks", EACCES: "host-uid" },
  },
  {
    kind: "probe",
    name: "press the host's system keys",
    tries: "opens /proc/sysrq-trigger for writing",
    layers: ["proc-masks", "host-uid"],
    python: `return opened("/proc/sysrq-trigger")`,
    holders: { EROFS: "proc-masks", EACCES: "host-uid" },
  },
  {
    kind: "probe",
    name: "read what /proc tells of the host",
    tries: "reads its keys, its memory and its timers in /proc",
    layers: ["proc-masks", "host-uid"],
    python: `
import stat
def read(name):
    with open("/proc/" + name, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            absent("/proc/" + name + " is covered")
        file.read(1)
        return "/proc/" + name
return first([lambda name=name: read(name) for name in ("keys", "kcore", "timer_list")])`,
    holders: { absent: "proc-masks", EACCES: "proc-masks", EPERM: "host-uid", ENOENT: "proc-masks" },
  },
  {
    kind: "probe",
    name: "look at the machine through /sys",
    tries: "lists /sys: hardware, kernel modules, file systems",
    layers: ["sys"],
    python: `return os.listdir("/sys")`,
    holders: { ENOENT: "sys" },
    notHere: ({ backend }) => (backend === "docker" ? FOLDERS_OF_ENGINE : null),
  },
  {
    kind: "probe",
    name: "write to /sys",
    tries: "opens power and memory settings in /sys for writing",
    layers: ["sys", "host-uid"],
    python: `
paths = ("power/state", "kernel/uevent_helper", "kernel/mm/transparent_hugepage/enabled", "kernel/profiling")
return first([lambda path=path: opened("/sys/" + path) for path in paths])`,
    holders: { ENOENT: "sys", EROFS: "sys", EACCES: "host-uid" },
  },
  {
    kind: "probe",
    name: "leave its control group",
    tries: "makes a control group of its own, and opens a release_agent for writing",
    layers: ["sys", "host-uid"],
    python: `
import glob
def make(folder):
    path = os.path.join(folder, "iso-attack")
    os.mkdir(path)
    os.rmdir(path)
    return path
folders = ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*/")[:20]]
agents = glob.glob("/sys/fs/cgroup/*/release_agent")
return first([*(lambda folder=folder: make(folder) for folder in folders), *(lambda path=path: opened(path) for path in agents)])`,
    holders: { ENOENT: "sys", EROFS: "sys", EACCES: "host-uid", EPERM: "sys" },
  },
  {
    kind: "probe",
    name: "write the supervisor's memory",
    tries: "opens /proc/1/mem, and lists the supervisor's descriptors",
    layers: ["supervisor-closed"],
    python: `return first([lambda: opened("/proc/1/mem", os.O_RDWR), lambda: os.listdir("/proc/1/fd")])`,
    holders: { EACCES: "supervisor-closed", EPERM: "supervisor-closed" },
  },
];

function namespace(kind: string, layer: Layer, tries: string, engineShares?: string): Probe {
  return {
    kind: "probe",
    name: `share the host's ${kind} namespace`,
    tries,
    layers: [layer],
    python: `
inside = os.readlink("/proc/self/ns/${kind}")
return inside if inside == NAMESPACES["${kind}"] else absent("inside %s, outside %s" % (inside, NAMESPACES["${kind}"]))`,
    holders: { absent: layer },
    notHere: ({ backend, facts }) => {
      if (backend === "docker" && engineShares !== undefined) return engineShares;
      return namespaceOf(facts, kind) === null ? "this host has no such namespaces" : null;
    },
  };
}
