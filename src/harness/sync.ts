// Sync: whether this run's out/ becomes the workspace, and what is said when it does not.

import { toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import type { Prepared, WorkspaceStore } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import type { Judged } from "./judge.js";

export async function sync(
  request: AcceptedRun,
  store: WorkspaceStore,
  prepared: Prepared,
  judged: Judged,
): Promise<RunResult["workspace"]> {
  const { durability } = request;
  const no = (reason: string) => ({ synced: false, reason, durability, version: null });
  if (request.ref.workspace === null) return no("the run has no workspace: nothing is kept");
  if (request.sync === "never") return no('the request said sync: "never"');
  if (request.sync === "on-success" && judged.verdict.status !== "succeeded") return no("the run did not succeed");
  if (judged.diff.replaced) return no("out/ was removed or replaced by the program; the workspace is as it was before");
  if (judged.diff.refused !== null) return no(judged.diff.refused);
  if (judged.overQuota) return no(`${judged.overQuota.message} The workspace is as it was before.`);
  try {
    const { synced, reason, version } = await store.commit(prepared, judged.diff, { durability });
    return { synced, ...(reason !== undefined && { reason }), durability, version };
  } catch (error) {
    const { message, hint } = toIsoError(error);
    return no(hint === undefined ? message : `${message}. ${hint}`);
  }
}
