// Versions of a workspace as documents speak of them, and how many are kept.
import type { FilePath } from "./files.js";
import { GiB } from "./limits.js";

/** How much of the past a workspace keeps. */
export interface VersionLimits {
  /** Earlier states that can be brought back; 0 turns versions off. */
  readonly keep: number;
  /** Bytes that the disk holds for them alone, for each workspace. */
  readonly maxBytes: number;
}

export const DEFAULT_VERSIONS: VersionLimits = { keep: 20, maxBytes: 1 * GiB };
export const MAX_VERSIONS_KEPT = 1000;

/** What made a version: a run, an undo, a removal, a file that was sent; somebody's hand since the version before; or what was there before the first. */
export const VERSION_KINDS = ["run", "undo", "rm", "put", "hand", "start"] as const;
export type VersionKind = (typeof VERSION_KINDS)[number];

export interface Version {
  /** Eight digits, a dot, and the run's id or the kind: "00000042.0193…". Their order is that of the versions. */
  id: string;
  number: number;
  kind: VersionKind;
  runId: string | null;
  at: string;
  /** Files and links that are other than in the version before. */
  changes: { created: number; modified: number; deleted: number };
  /** Regular files it had. */
  files: number;
  /** The version whose state an undo brought back. */
  restored: string | null;
  /** True for the one that is live. */
  current: boolean;
  /** True where it can be brought back. */
  kept: boolean;
}

export interface FileChange extends FilePath {
  change: "created" | "modified" | "deleted";
  /** Null on the side where there is no such file. */
  bytesBefore: number | null;
  bytesAfter: number | null;
  /** A unified diff, where both sides are text of a size to read. */
  patch?: string;
}
