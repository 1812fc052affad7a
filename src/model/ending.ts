// How a run can end, and which reason wins when several hold.

export const STATUSES = ["succeeded", "failed", "timed_out", "cancelled", "rejected"] as const;
export type Status = (typeof STATUSES)[number];

export const SYNC_MODES = ["always", "on-success", "never"] as const;
export type SyncMode = (typeof SYNC_MODES)[number];

export const DURABILITIES = ["process", "disk"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** Why the host ended the program, or null when the program ended by itself. */
export type HostStop =
  | { reason: "timeout" }
  | { reason: "cancelled" }
  | { reason: "limit"; limit: string; message: string };

/** What is known of a program's end once its sandbox is dead. All of it comes from the host, the kernel or our supervisor. */
export interface ProgramEnd {
  /** Set when the program ended by itself with `exit`. */
  exitCode: number | null;
  /** Set when a signal killed it, as "SIGSEGV". */
  signal: string | null;
  /** Kills the kernel counted for the memory limit. */
  oomKills: number | null;
  /** Processes and threads it had in all, one after the other too. */
  tasks: number | null;
  hostStop: HostStop | null;
  /** True when the supervisor told of the end; false when it vanished. */
  reported: boolean;
  exception: ProgramException | null;
}

/** What the program says of its own failure; shown, never trusted for the verdict. */
export interface ProgramException {
  type: string;
  message: string;
  traceback: string;
  /** Line of an OSError, as "EMFILE"; names the limit whose refusal caused the failure. */
  errno?: string;
}
