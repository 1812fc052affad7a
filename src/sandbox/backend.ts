// The law every sandbox backend keeps. It assumes neither bind mounts nor host pids, so that a backend may be remote:
// files go in and out by `deliver` and `collect`, the runner is reached by messages, and the end is told by `stop`.
import type { Duplex } from "node:stream";
import type { FileOwner, Instance } from "../model/instance.js";
import type { Policy } from "../model/result.js";
import type { KnownFacts } from "./known-facts.js";
import type { Without } from "./layers.js";
import type { Profile } from "./profile.js";

export type BackendName = "zygote" | "bubblewrap" | "docker" | (string & {});

export interface SandboxBackend {
  readonly name: BackendName;

  /** What this host can do for this backend, check by check; never throws, touches nothing. */
  probe(): Promise<Probe>;

  /**
   * Starts one single-use sandbox whose runner waits for a job, with empty `work/` and `out/`.
   * Throws IsoError `sandbox_unavailable` that names what is missing and the command that mends it. A backend that knows before the
   * boot is over whose the files will have to be may say so by `onOwner`. `tenant` is who it is for, where that is known already.
   */
  boot(profile: Profile, onOwner?: (owner: FileOwner) => void, tenant?: string | null): Promise<Sandbox>;

  /** Where sandboxes of one origin have things in common that two tenants must not: the name of a sandbox's tenant, null while it is
   * nobody's. Absent: any sandbox is for anybody. */
  tenantOf?(sandbox: Sandbox): string | null;
  /** Makes nobody's sandbox this tenant's, with all of the same origin; not where the tenant has an origin of its own. */
  adopt?(sandbox: Sandbox, tenant: string): void;
  /** True where one that waits shall be replaced, as what it came from is given up. It works as before. */
  isOutdated?(sandbox: Sandbox): boolean;
  /** Memory that each sandbox takes while it waits, its share of the kernel's included. */
  readonly waitingBytes?: number;

  /** Removes what processes that died without cleaning left behind; `isAlive` says which instance ids are still at work,
   * and is asked only after the leftovers were listed: a neighbour may start at any moment. */
  reap(isAlive: (instanceId: string) => Promise<boolean>): Promise<void>;

  /** Makes what this backend needs and can make by itself, as an image; for `doctor --fix`, never within a run. */
  fix?(onLine: (line: string) => void): Promise<void>;

  /** Ends every sandbox of this backend and releases what it holds. */
  close(): Promise<void>;
}

/** One booted sandbox. It runs one job at most and is never handed out again. */
export interface Sandbox {
  readonly id: string;
  /** The interpreter inside, as the runner's hello told it. */
  readonly python: { path: string; version: string };
  /** Bytes to and from the runner (see protocol/). Everything read from it is hostile data. */
  readonly channel: Duplex;
  /** Settles when the engine is gone, whoever ended it: this is how a warm sandbox that died is noticed. */
  readonly ended: Promise<void>;
  /** Whose the delivered files must be, for the program to own them. */
  readonly owner: FileOwner;
  /** Paths of the two folders as the program sees them. */
  readonly inside: { work: string; out: string };

  /** Makes `<dir>/work` and `<dir>/out` the sandbox's `work` and `out`. After it, `dir` belongs to the sandbox until `collect`. */
  deliver(dir: string): Promise<void>;
  /** The program was asked to end: a limit that only slows it down would make its end late, and holds no longer. */
  hasten?(): void;
  /** Bytes of files below `work` and `out` that have no name any more and are held open; absent where this host cannot see them. */
  namelessBytes?(): Promise<number>;
  /** Kills every process of the sandbox and resolves when none runs any more: its files lie still, what it had is its own until `dispose`.
   * Idempotent; never rejects for a sandbox already gone.
   * `counted` is what the supervisor counted itself, where it reported its end: a backend that knows all to be gone need not ask again. */
  stop(counted?: Counted): Promise<KernelFacts>;
  /** After `stop`: the program's files are in `<dir>/work` and `<dir>/out` of the host again. */
  collect(): Promise<void>;
  /** Removes everything the sandbox had beside the delivered folder, when nothing of it is left. Implies `stop`. */
  dispose(): Promise<void>;
  /** Limits, network and isolation as they really were, `hits` as counted so far. */
  policy(): Policy;
  /** Lines the engine had to say (its stderr, warnings), bounded; for infra.log. */
  engineLog(): string[];
}

/** What kernel or engine counted for a sandbox; null where nothing counts it. */
export interface Counted {
  /** Processes the kernel killed for the memory limit. */
  oomKills: number | null;
  /** Forks refused for the process limit. */
  processHits: number | null;
}

/** The same, read after its end. */
export interface KernelFacts extends Counted {
  /** Set when the engine was lost, or ended the sandbox itself: the reason, for `sandbox_unavailable`. */
  lost: string | null;
}

export interface Probe {
  usable: boolean;
  checks: Check[];
}

/** One line of `doctor`. `fix` is a command, or a sentence where no command does it. */
export interface Check {
  name: string;
  status: "ok" | "warn" | "fail";
  message: string;
  fix?: string;
}

/** Who a sandbox's processes are on the host, and whose its files. */
export interface HostUser extends FileOwner {
  /** Nobody else on this host has it: what the kernel counts for a user, it counts for this sandbox alone. */
  readonly exclusive: boolean;
  /** Only once no process of this user is left. Idempotent. */
  release(): void;
}

export interface HostUsers {
  /** Throws IsoError `sandbox_unavailable` where none is free. */
  lease(): Promise<HostUser>;
  /** What `doctor` says; null where there is nothing to say. Never rejects. */
  check(): Promise<Check | null>;
}

/** What the host hands every backend at start. */
export interface BackendContext {
  readonly instance: Instance;
  /** Folder for one subfolder per sandbox, on the same mount as the folders passed to `deliver`. Each name starts with the instance id. */
  readonly slotsDir: string;
  /** Who programs run as on the host. */
  readonly users: HostUsers;
  /** Folder that holds the `iso_runner` Python package. */
  readonly runnerDir: string;
  /** False where nothing is to be started ahead of need, as for one run and no further. */
  readonly startsAhead?: boolean;
  /** One sandbox is all that is asked for: what only pays over several is left out. */
  readonly isForOne?: boolean;
  /** What earlier processes found out about this host; absent: everything is asked anew. */
  readonly facts?: KnownFacts;
  /** The operator's choice of interpreter, or null to search `searchPath`. */
  readonly python: string | null;
  /** The host's PATH. */
  readonly searchPath: string;
  /** Layers to leave out, so that a test sees what each is good for; absent: none. */
  readonly without?: Without;
  readonly docker: {
    /** DOCKER_HOST, or null for the engine's default socket. */
    readonly host: string | null;
    /** Prefixes of our paths and what the daemon calls them. */
    readonly hostPathMap: readonly { readonly from: string; readonly to: string }[];
  };
}
