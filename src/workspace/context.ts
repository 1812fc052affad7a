// What the steps of the store share.
import type { FileOwner } from "../model/instance.js";
import type { VersionLimits } from "../model/versions.js";
import type { CopiesAhead } from "./copies-ahead.js";
import type { Exchanger } from "./exchange.js";
import type { OwnInstance } from "./instance.js";
import type { KeptCopies } from "./kept-copy.js";
import type { KnownTwins } from "./known-twins.js";
import type { Layout } from "./layout.js";
import type { RecordLogs } from "./record-log.js";
import type { Settled } from "./settled.js";
import type { Trash } from "./trash.js";
import type { TreeWatch } from "./tree-watch.js";

export interface StoreContext {
  readonly layout: Layout;
  readonly instance: OwnInstance;
  /** Who gets the files where the host is root; null where all files are the caller's anyway. */
  readonly chownTo: FileOwner | null;
  readonly owner: FileOwner;
  readonly trash: Trash;
  readonly exchanger: Exchanger;
  readonly versions: VersionLimits;
  readonly records: RecordLogs;
  readonly watch: TreeWatch;
  readonly settled: Settled;
  readonly twins: KnownTwins;
  readonly copies: KeptCopies;
  readonly ahead: CopiesAhead;
}
