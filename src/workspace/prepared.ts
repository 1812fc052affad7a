// A sandbox folder that is ready for a run, and what is known of it from before the run.
import type { FileOwner } from "../model/instance.js";
import type { Manifest, Node } from "./manifest.js";

export interface Prepared {
  /** Holds `work/` and `out/`. */
  readonly dir: string;
  readonly out: string;
  readonly work: string;
  /** The user's folder in the workspace root, shown to people. */
  readonly workspaceDir: string;
  /** Who owns what the program may write. */
  readonly owner: FileOwner;
  /** Allocated bytes and entries below `dir` before the run. */
  readonly size: { bytes: number; entries: number };
  readonly runId: string;
  /** Name of the workspace's folder; null for the workspace null. */
  readonly dirName: string | null;
  /** The sandbox's copy of out/, as it was delivered. */
  readonly baseline: Manifest;
  /** Entries of the workspace's out/ that no sandbox gets: special files, links that lead out, top-level logs/. */
  readonly withheld: readonly Node[];
}
