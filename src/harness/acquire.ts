// Bootstrap and acquire, side by side: the user's files on the host and a sandbox to put them in. What was taken is given back
// whatever happens after.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../safefs/remove.js";
import type { Sandbox, SandboxBackend } from "../sandbox/backend.js";
import type { SandboxPool } from "../sandbox/pool.js";
import type { Prepared, WorkspaceLock, WorkspaceStore } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";
import { checkRequirements } from "./require.js";
import type { Stopwatch } from "./stopwatch.js";

export interface Held extends AsyncDisposable {
  prepared: Prepared;
  sandbox: Sandbox;
  warm: boolean;
  /** Folder for this run's logs, where the program cannot reach; gone afterwards. */
  logDir: string;
}

interface Sources {
  store: WorkspaceStore;
  pool: SandboxPool;
  backend: SandboxBackend;
}

export async function acquire(
  request: AcceptedRun,
  { store, pool, backend }: Sources,
  watch: Stopwatch,
  lock: WorkspaceLock,
): Promise<Held> {
  const leasing = watch.time("acquireMs", () => pool.acquire(backend, request.profile));
  leasing.catch(() => undefined);
  if (request.profile.require.length > 0) {
    // Nothing of the user's may have been touched when a requirement turns out to be unmet.
    const lease = await leasing;
    try {
      checkRequirements(request.profile.require, lease.sandbox.policy(), backend.name);
    } catch (error) {
      pool.giveBack(backend, request.profile, lease.sandbox);
      throw error;
    }
  }
  const booting = watch.time("bootstrapMs", () => store.bootstrap(lock, request.runId));
  const [prepared, lease] = await Promise.allSettled([booting, leasing]);

  if (prepared.status === "rejected" || lease.status === "rejected") {
    if (lease.status === "fulfilled") pool.giveBack(backend, request.profile, lease.value.sandbox);
    if (prepared.status === "fulfilled") await store.discard(prepared.value);
    throw prepared.status === "rejected" ? prepared.reason : lease.status === "rejected" ? lease.reason : null;
  }

  const { sandbox, warm } = lease.value;
  const logDir = join(store.slotsDir, `${store.instance.id}-${request.runId}.logs`);
  mkdirSync(logDir, { mode: 0o700 });
  return {
    prepared: prepared.value,
    sandbox,
    warm,
    logDir,
    async [Symbol.asyncDispose]() {
      pool.retire(backend, request.profile, sandbox);
      if (existsSync(logDir)) await removeTree(logDir);
      if (request.ref.workspace === null) await store.discard(prepared.value);
    },
  };
}
