// What the routes share: the runtime that does the work, the runs it took, and how the service speaks to its operator.
import type { RunRegistry } from "../harness/run-registry.js";
import type { Runtime } from "../harness/runtime.js";
import type { EventStreams } from "./events.js";
import type { RunFigures } from "./figures.js";
import type { Tell } from "./record.js";

export interface Service {
  readonly runtime: Pick<Runtime, "workspaces" | "tools" | "bundle" | "settings">;
  readonly runs: RunRegistry;
  readonly streams: EventStreams;
  readonly figures: RunFigures;
  /** Of the package. */
  readonly version: string;
  readonly token: string;
  /** Paths of the host that no answer names. */
  readonly hidden: readonly string[];
  /** Host headers of this service; known once it listens. */
  hosts(): readonly string[];
  /** What becomes of requests and runs, for the operator. */
  readonly tell: Tell;
  /** A line for the operator. */
  log(line: string): void;
}
