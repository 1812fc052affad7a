// Bootstrap and acquire, side by side: the user's files on the host and a sandbox to put them in. What was taken is given back
// whatever happens after.
import { existsSync } from "node:fs";
import type { FileOwner } from "../model/instance.js";
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
}

interface Sources {
  store: WorkspaceStore;
  pool: SandboxPool;
  backend: SandboxBackend;
}

interface Turn {
  watch: Stopwatch;
  lock: WorkspaceLock;
  /** Ends the waiting for a boot that has not begun. */
  signal: AbortSignal;
}

export async function acquire(
  request: AcceptedRun,
  { store, pool, backend }: Sources,
  { watch, lock, signal }: Turn,
): Promise<Held> {
  let onOwner: (owner: FileOwner) => void = () => undefined;
  const told = new Promise<FileOwner>((resolve) => {
    onOwner = resolve;
  });
  const wanted = { tenant: request.ref.userId, onOwner, signal };
  const leasing = watch.time("acquireMs", () => pool.acquire(backend, request.profile, wanted));
  const owner = Promise.race([told, leasing.then(({ sandbox }) => sandbox.owner)]);
  owner.catch(() => undefined);
  if (request.profile.require.length > 0) {
    // Nothing of the user's may have been touched when a requirement turns out to be unmet.
    const lease = await leasing;
    try {
      checkRequirements(request.profile.require, lease.sandbox.policy(), backend.name);
    } catch (error) {
      pool.giveBack(lease.sandbox);
      throw error;
    }
  }
  const booting = watch.time("bootstrapMs", () => store.bootstrap(lock, request.runId, owner));
  const [prepared, lease] = await Promise.allSettled([booting, leasing]);

  if (prepared.status === "rejected" || lease.status === "rejected") {
    if (lease.status === "fulfilled") pool.giveBack(lease.value.sandbox);
    if (prepared.status === "fulfilled") await store.discard(prepared.value);
    throw [lease, prepared].find((outcome) => outcome.status === "rejected")?.reason;
  }

  const { sandbox, warm } = lease.value;
  const { logs } = prepared.value;
  return {
    prepared: prepared.value,
    sandbox,
    warm,
    async [Symbol.asyncDispose]() {
      pool.retire(sandbox);
      // They are in the sandbox folder where the run came to its end.
      if (existsSync(logs)) await removeTree(logs);
      if (request.ref.workspace === null) await store.discard(prepared.value);
    },
  };
}
