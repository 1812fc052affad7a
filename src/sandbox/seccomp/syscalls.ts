// The system calls a program is refused, one by one, with their numbers on both supported machines and why. How refusals are
// told apart at run time is filter.ts's.

export type Machine = "x64" | "arm64";

/** [x64, arm64]; null where a machine has no such call. */
type Numbers = readonly [x64: number, arm64: number | null];

interface Group {
  readonly reason: string;
  readonly calls: Readonly<Record<string, Numbers>>;
}

/** Refused with EPERM, whatever their arguments. */
export const REFUSED: readonly Group[] = [
  {
    reason: "makes namespaces, mounts or another root",
    calls: {
      mount: [165, 40],
      umount2: [166, 39],
      pivot_root: [155, 41],
      chroot: [161, 51],
      unshare: [272, 97],
      setns: [308, 268],
    },
  },
  {
    reason: "mounts by the newer interface",
    calls: {
      open_tree: [428, 428],
      open_tree_attr: [467, 467],
      move_mount: [429, 429],
      fsopen: [430, 430],
      fsconfig: [431, 431],
      fsmount: [432, 432],
      fspick: [433, 433],
      mount_setattr: [442, 442],
      statmount: [457, 457],
      listmount: [458, 458],
    },
  },
  {
    reason: "reads and writes other processes",
    calls: {
      ptrace: [101, 117],
      process_vm_readv: [310, 270],
      process_vm_writev: [311, 271],
      process_madvise: [440, 440],
      kcmp: [312, 272],
      pidfd_getfd: [438, 438],
    },
  },
  {
    reason: "a large kernel surface that Python does not need",
    calls: {
      bpf: [321, 280],
      perf_event_open: [298, 241],
      userfaultfd: [323, 282],
      io_uring_setup: [425, 425],
      io_uring_enter: [426, 426],
      io_uring_register: [427, 427],
      memfd_secret: [447, 447],
      lookup_dcookie: [212, 18],
      lsm_set_self_attr: [460, 460],
    },
  },
  {
    reason: "keyrings are not namespaced",
    calls: {
      keyctl: [250, 219],
      add_key: [248, 217],
      request_key: [249, 218],
    },
  },
  {
    reason: "loads code into the kernel",
    calls: {
      init_module: [175, 105],
      finit_module: [313, 273],
      delete_module: [176, 106],
      create_module: [174, null],
      query_module: [178, null],
      get_kernel_syms: [177, null],
      kexec_load: [246, 104],
      kexec_file_load: [320, 294],
    },
  },
  {
    reason: "opens files by handle, past every mount",
    calls: {
      open_by_handle_at: [304, 265],
      name_to_handle_at: [303, 264],
    },
  },
  {
    reason: "watches whole file systems",
    calls: {
      fanotify_init: [300, 262],
      fanotify_mark: [301, 263],
    },
  },
  {
    reason: "the host's clock, name, swap, quotas and power",
    calls: {
      settimeofday: [164, 170],
      clock_settime: [227, 112],
      clock_adjtime: [305, 266],
      adjtimex: [159, 171],
      sethostname: [170, 161],
      setdomainname: [171, 162],
      swapon: [167, 224],
      swapoff: [168, 225],
      quotactl: [179, 60],
      quotactl_fd: [443, 443],
      reboot: [169, 142],
      acct: [163, 89],
      syslog: [103, 116],
      vhangup: [153, 58],
    },
  },
  {
    reason: "changes how later programs run, or the layout of the process",
    calls: {
      personality: [135, 92],
      modify_ldt: [154, null],
      iopl: [172, null],
      ioperm: [173, null],
      uselib: [134, null],
    },
  },
  {
    reason: "places memory on chosen nodes, also of others",
    calls: {
      mbind: [237, 235],
      set_mempolicy: [238, 237],
      migrate_pages: [256, 238],
      move_pages: [279, 239],
      set_mempolicy_home_node: [450, 450],
    },
  },
  {
    reason: "real-time scheduling",
    calls: {
      sched_setscheduler: [144, 119],
      sched_setparam: [142, 118],
      sched_setattr: [314, 274],
    },
  },
  {
    reason: "long gone, or never was",
    calls: {
      nfsservctl: [180, 42],
      vserver: [236, null],
      _sysctl: [156, null],
      sysfs: [139, null],
      ustat: [136, null],
    },
  },
];

/** Calls judged by their arguments, and the newest number known; what is newer does not exist inside. */
export const JUDGED = {
  clone: [56, 220],
  clone3: [435, 435],
  ioctl: [16, 29],
  socket: [41, 198],
  socketpair: [53, 199],
  prlimit64: [302, 261],
  setpriority: [141, 140],
  ioprio_set: [251, 30],
  sched_setaffinity: [203, 122],
} as const satisfies Record<string, Numbers>;

/** `file_setattr`, Linux 6.17; the numbers of new calls are the same on both machines. */
export const NEWEST_KNOWN = 469;

export function refusedNumbers(machine: Machine): number[] {
  const numbers = REFUSED.flatMap(({ calls }) => Object.values(calls).map((row) => numberOn(machine, row)));
  return numbers.filter((number) => number !== null).sort((a, b) => a - b);
}

export function numberOn(machine: Machine, [x64, arm64]: Numbers): number | null {
  return machine === "x64" ? x64 : arm64;
}
