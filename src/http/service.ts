// What the routes share: the runtime that does the work, the runs it took, and how the service speaks to its operator.
import type { RunHistory } from "../harness/run-history.js";
import type { RunRegistry } from "../harness/run-registry.js";
import type { Runtime } from "../harness/runtime.js";
import type { StorageQuota } from "../harness/storage-quota.js";
import type { KeyRing } from "./caller.js";
import type { EventStreams } from "./events.js";
import type { RunFigures } from "./figures.js";
import type { Tell } from "./record.js";

export interface Service {
  readonly runtime: Pick<Runtime, "workspaces" | "tools" | "bundle" | "settings" | "hostState" | "receiptOf">;
  readonly runs: RunRegistry;
  /** Null where runs are not kept beyond this process. */
  readonly history: RunHistory | null;
  readonly streams: EventStreams;
  readonly figures: RunFigures;
  /** Of the package. */
  readonly version: string;
  /** Null on addresses that others reach. */
  readonly token: string | null;
  readonly keys: KeyRing;
  readonly storage: StorageQuota;
  /** Paths of the host that no answer names. */
  readonly hidden: readonly string[];
  /** Host headers of this service; known once it listens. */
  hosts(): readonly string[];
  /** Those that the operator gave beside. */
  allowedHosts(): readonly string[];
  /** What becomes of requests and runs, for the operator. */
  readonly tell: Tell;
  /** A line for the operator. */
  log(line: string): void;
}
