// From a line of a traceback to that line in the editor, which shows the run's own code first.

import { scenarios } from "../state/catalogue.js";
import { codeOf } from "../state/codes.js";
import { code, setCode } from "../state/draft.js";
import { tell } from "../state/notices.js";
import type { WatchedRun } from "../state/run.js";

export const takeCode = (run: WatchedRun): Promise<void> => goToLine(run, null);

/** Without a line: to the code as a whole. */
export async function goToLine(run: WatchedRun, line: number | null): Promise<void> {
  const own = await codeOf(run.runId, run.scenario.value, scenarios.value ?? []);
  if (own === null) {
    tell("The code of this run is not known here any more.", "bad", "The editor still has what it had.");
    return;
  }
  if (own !== code.value) tell("The editor shows this run's code now.");
  setCode(own, line ?? 1);
}
