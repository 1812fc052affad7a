// Attacks on files: the host's, a neighbour's, the interpreter's, devices, and the sizes of what may be written.
import type { Probe } from "../attack.js";

/** What an answer about a path points to, where the path is not shown at all. */
const NOT_SHOWN = { ENOENT: "minimal-root", EACCES: "host-uid", ENOTDIR: "minimal-root" } as const;

export const FILE_PROBES: readonly Probe[] = [
  {
    kind: "probe",
    name: "write beside its folders",
    tries: "opens new files in /, /usr, /etc, /dev, /var/tmp and the runner's folder for writing",
    layers: ["read-only-root", "host-uid"],
    python: `
paths = ["/planted", "/usr/planted", "/etc/planted", "/dev/planted", "/var/tmp/planted", "/runner/planted", "/etc/passwd"]
def plant(path):
    fd = os.open(path, os.O_WRONLY if path == "/etc/passwd" else os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.close(fd)
    if path != "/etc/passwd":
        os.unlink(path)
    return path
return first([lambda path=path: plant(path) for path in paths])`,
    holders: { EROFS: "read-only-root", EACCES: "host-uid", ENOENT: "minimal-root" },
  },
  {
    kind: "probe",
    name: "write beside the interpreter",
    tries: "plants a module in the interpreter's own folder, for later runs to import",
    layers: ["read-only-root", "host-uid"],
    python: `
path = os.path.join(os.path.dirname(os.__file__), "planted.py")
os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
os.unlink(path)
return path`,
    holders: { EROFS: "read-only-root", EACCES: "host-uid" },
  },
  {
    kind: "probe",
    name: "read a file of the host",
    tries: "reads a file of the host that every account there may read",
    layers: ["minimal-root"],
    python: `return open(DECOYS["/var/tmp"]).read(100)`,
    holders: NOT_SHOWN,
    notHere: ({ facts }) => decoyMissing(facts, "/var/tmp"),
  },
  {
    kind: "probe",
    name: "read the host's /tmp",
    tries: "reads a file in the host's /tmp that every account there may read",
    layers: ["private-tmp"],
    python: `return open(DECOYS["/tmp"]).read(100)`,
    holders: { ENOENT: "private-tmp", EACCES: "host-uid" },
    notHere: ({ facts }) => decoyMissing(facts, "/tmp"),
  },
  {
    kind: "probe",
    name: "read the host's /dev/shm",
    tries: "reads shared memory of the host that every account there may read",
    layers: ["private-shm"],
    python: `return open(DECOYS["/dev/shm"]).read(100)`,
    holders: { ENOENT: "private-shm", EACCES: "host-uid" },
    notHere: ({ facts }) => decoyMissing(facts, "/dev/shm"),
  },
  {
    kind: "probe",
    name: "read password hashes",
    tries: "opens /etc/shadow",
    layers: ["minimal-root", "host-uid"],
    python: `return opened("/etc/shadow", os.O_RDONLY)`,
    holders: NOT_SHOWN,
  },
  {
    kind: "probe",
    name: "list another user's workspace",
    tries: "lists the folders of another user, by their paths on the host and by `..`",
    layers: ["minimal-root", "host-uid"],
    python: `
ways = [*VICTIM, "/sandbox/../victim", "/proc/1/root/sandbox/../victim"]
return first([lambda way=way: os.listdir(way) for way in ways])`,
    holders: NOT_SHOWN,
  },
  {
    kind: "probe",
    name: "connect to a socket file of the host",
    tries: "connects to a socket file of the host that every account there may connect to",
    layers: ["minimal-root"],
    python: `
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(2)
    s.connect(SOCKET)
    return s.recv(100).decode()`,
    holders: { ...NOT_SHOWN, ECONNREFUSED: "minimal-root" },
    notHere: ({ facts }) => (facts.SOCKET === null ? "no socket could be made for it on this host" : null),
  },
  {
    kind: "probe",
    name: "connect to the Docker socket",
    tries: "connects to the engine's socket: who may talk to it owns the host",
    layers: ["minimal-root", "host-uid"],
    python: `
def reach(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(2)
        s.connect(path)
        return path
return first([lambda path=path: reach(path) for path in dict.fromkeys([DOCKER, "/var/run/docker.sock", "/run/docker.sock"])])`,
    holders: NOT_SHOWN,
  },
  {
    kind: "probe",
    name: "open devices",
    tries: "opens memory, kernel log, KVM, FUSE, tunnels, disks and hypervisor sockets",
    layers: ["private-dev", "host-uid"],
    python: `
names = ["kmsg", "mem", "port", "kvm", "fuse", "net/tun", "vsock", "vhost-net", "loop-control", "loop0", "sda", "vda", "nvme0n1", "autofs"]
return first([lambda name=name: opened("/dev/" + name, os.O_RDONLY) for name in names])`,
    holders: { ENOENT: "private-dev", EACCES: "host-uid", EPERM: "private-dev" },
  },
  {
    kind: "probe",
    name: "make a device",
    tries: "makes a device file of its own in /tmp",
    layers: ["capabilities", "user-namespace"],
    python: `
os.mknod("/tmp/iso-attack-device", 0o020600, os.makedev(1, 3))
return opened("/tmp/iso-attack-device", os.O_RDONLY)`,
    holders: { EPERM: "capabilities", EACCES: "user-namespace" },
  },
  fill("/tmp", "private-tmp", "tmp-size"),
  fill("/dev/shm", "private-shm", "shm-size"),
];

/** Blocks are promised and never written: nothing is used where it gets through. */
function fill(path: "/tmp" | "/dev/shm", own: Probe["layers"][number], size: Probe["layers"][number]): Probe {
  return {
    kind: "probe",
    name: `fill ${path}`,
    tries: `looks how much ${path} can take, and whether more than its memory limit`,
    layers: [size, own],
    python: `
found = os.statvfs(${JSON.stringify(path)})
size = found.f_blocks * found.f_frsize
if 0 < size <= MEMORY:
    absent("its size is %d of %d bytes of memory" % (size, MEMORY))
return "%d bytes, of %d bytes of memory" % (size, MEMORY)`,
    holders: { absent: size },
  };
}

function decoyMissing({ DECOYS }: Readonly<Record<string, unknown>>, folder: string): string | null {
  const there = typeof DECOYS === "object" && DECOYS !== null && folder in DECOYS;
  return there ? null : `no decoy could be made in ${folder} of this host`;
}
