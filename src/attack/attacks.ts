// Registry: all attacks, in the order they are told.
import type { Attack } from "./attack.js";
import { LIMIT_ATTACKS } from "./limits.js";
import { CALL_PROBES } from "./probes/calls.js";
import { FILE_PROBES } from "./probes/files.js";
import { HOST_PROBES } from "./probes/host.js";
import { VERDICT_ATTACKS } from "./verdicts.js";

export const ATTACKS: readonly Attack[] = [
  ...HOST_PROBES,
  ...FILE_PROBES,
  ...CALL_PROBES,
  ...VERDICT_ATTACKS,
  ...LIMIT_ATTACKS,
];
