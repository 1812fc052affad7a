// What a service says of its host: the sandboxes that wait, and the backend that `auto` became.
import type { PoolCounts } from "../sandbox/pool-counts.js";
import type { Choice } from "./backend-chooser.js";

export interface HostState {
  readonly pool: readonly PoolCounts[];
  /** Null where nothing works. */
  readonly chosen: Choice | null;
}
