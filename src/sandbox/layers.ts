// The layers that hold a program, each by its name. Attacks name the layer that held them; a test takes one away and sees an
// attack get through. What is taken away is handed down in code alone: no setting, variable or flag leads here.

export const LAYERS = {
  "user-namespace": "ids inside are not the host's",
  "mount-namespace": "mounts of its own",
  "pid-namespace": "processes of its own, ended together",
  "network-namespace": "no network but its own loopback",
  "ipc-namespace": "System V segments and POSIX queues of its own",
  "uts-namespace": "a host name of its own",
  "cgroup-namespace": "the host's control groups have no names inside",
  "read-only-root": "nothing can be written beside out/, work/ and temporary folders",
  "minimal-root": "files of the host that are not on the list are not there",
  "private-dev": "a handful of devices",
  "private-tmp": "a /tmp of its own",
  "tmp-size": "/tmp has a size",
  "private-shm": "a /dev/shm of its own",
  "shm-size": "/dev/shm has a size",
  "proc-masks": "what /proc tells of the host or sets there is covered or read-only",
  sys: "no /sys, or a read-only one",
  capabilities: "no capability, and none to be had",
  "no-new-privileges": "no program gives more rights than its caller has",
  seccomp: "our system call filter",
  "engine-seccomp": "the Docker engine's own system call filter",
  "nested-userns": "no further user namespaces, by the engine's count",
  "new-session": "a session without the host's terminal",
  environment: "an environment made from a list",
  "host-uid": "a user of its own on the host, never root",
  proof: "all this is read back from the kernel before anything runs",
  "supervisor-closed": "the supervisor's memory and descriptors are closed to the program",
  descriptors: "no descriptor but the program's own",
  "memory-cgroup": "memory of all processes together",
  "memory-rlimit": "address space of each process, where no control group counts",
  "process-cgroup": "processes and threads at once",
  "process-rlimit": "the same by user, where no control group counts",
  "cpu-cgroup": "a share of processor time",
  "open-files": "descriptors of one process",
  "file-size": "bytes of one file",
  "disk-watch": "growth of out/ and work/",
  "files-watch": "new entries of out/ and work/",
  "output-cap": "bytes of output",
  deadline: "wall time, counted by the host",
  "tool-allow-list": "tools the program may call, checked on the host",
  "host-verdict": "how a run ended is what the host saw, never what the program says",
  "no-follow": "the host follows no link of the program's",
} as const satisfies Record<string, string>;

export type Layer = keyof typeof LAYERS;
/** The layers a backend is made without. */
export type Without = ReadonlySet<Layer>;
export const NOTHING: Without = new Set();

/** What the proof must overlook: exactly what was taken away, and only where the proof was taken away as well. */
export const overlooked = (without: Without): Without => (without.has("proof") ? without : NOTHING);
