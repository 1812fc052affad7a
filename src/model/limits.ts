// The table of limits: default, range, unit and what a person may call it. What enforces a limit on a given host is
// the backend's to say, in the run's policy.

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

interface LimitRow {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit: "bytes" | "cpus" | "processes" | "files" | "ms";
  readonly about: string;
}

export const LIMITS = {
  memory: {
    default: 512 * MiB,
    min: 16 * MiB,
    max: 1024 * GiB,
    unit: "bytes",
    about: "memory of all processes together",
  },
  cpus: { default: 1, min: 0.01, max: 1024, unit: "cpus", about: "share of processor time" },
  processes: { default: 128, min: 4, max: 32_768, unit: "processes", about: "processes and threads alive at once" },
  openFiles: { default: 1024, min: 64, max: 1_048_576, unit: "files", about: "open descriptors of one process" },
  timeout: { default: 60_000, min: 100, max: 86_400_000, unit: "ms", about: "wall time of the program" },
  fileSize: { default: 100 * MiB, min: 1, max: 1024 * GiB, unit: "bytes", about: "size of one file" },
  disk: { default: 250 * MiB, min: 1, max: 1024 * GiB, unit: "bytes", about: "growth of out/ and work/" },
  files: { default: 100_000, min: 1, max: 10_000_000, unit: "files", about: "new entries of out/ and work/" },
  output: {
    default: 4 * GiB,
    min: 1,
    max: 1024 * GiB,
    unit: "bytes",
    about: "bytes of stdout, stderr and log before the run is ended",
  },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof LIMITS;
/** A value for each limit, in the table's units. */
export type Limits = { readonly [name in LimitName]: number };

export const DEFAULT_LIMITS: Limits = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, row]) => [name, row.default])),
) as Limits;

/** Bounds of what a result document and the disk keep of a run; not limits of the program. */
export const KEEP = {
  /** Bytes of each stream in the result. */
  streamBytes: 1 * MiB,
  /** Bytes of user.log and of infra.log on disk. */
  logBytes: 64 * MiB,
  /** Bytes of the log tails and of the tree in `diagnostics`. */
  tailBytes: 64 * KiB,
  treeBytes: 64 * KiB,
  /** Longest lists in a result; `totals` has the true counts. */
  listEntries: 1000,
  errorLines: 100,
  tracebacks: 20,
  /** Bytes of one traceback. */
  tracebackBytes: 16 * KiB,
} as const;

export type EnforcedBy = "cgroup-v1" | "cgroup-v2" | "rlimit" | "mount" | "polling" | "none";

/** One limit as a run really had it. `hits` counts refusals or kills; null where nothing counts them. */
export interface EnforcedLimit {
  value: number;
  unit: string;
  enforcedBy: EnforcedBy;
  hits: number | null;
}
