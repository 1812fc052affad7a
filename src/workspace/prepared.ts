// A sandbox folder that is ready for a run, and what is known of it from before the run.
import type { FileOwner } from "../model/instance.js";
import type { KeptCopy } from "./kept-copy.js";
import type { Manifest } from "./manifest.js";

export interface Prepared {
  /** Holds `work/` and `out/`. */
  readonly dir: string;
  readonly out: string;
  readonly work: string;
  /** A folder for this run's logs, where the program cannot reach; files in it are the last run's, to be written over. */
  readonly logs: string;
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
  /** The workspace's out/ as it was copied; null where it was not, and for the workspace null. Entries marked `leftOut` are in no sandbox. */
  readonly source: Manifest | null;
  /** Where out/ may serve the next run as well: a copy whose folders are watched. */
  readonly copy: KeptCopy | null;
}
