// What runs need and a refused request must not touch: the opened roots, the backends over them, the pool. Opened by the first accepted run.
import { step } from "../model/steps.js";
import { History } from "../records/history.js";
import { Receipts } from "../records/receipts.js";
import { RunIds } from "../records/run-ids.js";
import type { SandboxBackend } from "../sandbox/backend.js";
import { MemoryBudget } from "../sandbox/memory-budget.js";
import { SandboxPool } from "../sandbox/pool.js";
import type { Settings } from "../settings/settings.js";
import { WorkspaceStore } from "../workspace/store.js";
import { BackendChooser, fileOwner } from "./backend-chooser.js";
import { Once } from "./once.js";
import type { Seams } from "./seams.js";

export interface EngineOptions {
  /** Sandboxes that wait ready at least for each profile in use. */
  warm: number;
  /** Bytes that all of them may take; null: by what the machine has. */
  warmMemory: number | null;
  /** Backends beside the built-in ones. */
  backends: readonly SandboxBackend[];
  seams: Seams;
  /** This process makes one run. */
  isForOne: boolean;
}

export class Engine {
  readonly store: WorkspaceStore;
  readonly chooser: BackendChooser;
  readonly pool: SandboxPool;
  readonly history: History;
  readonly receipts: Receipts;
  readonly once: Once;
  readonly seams: Seams;

  private constructor(store: WorkspaceStore, settings: Settings, options: EngineOptions) {
    this.store = store;
    this.chooser = new BackendChooser(settings, store, options.backends, options.seams, {
      startsAhead: options.warm > 0,
      isForOne: options.isForOne,
    });
    this.seams = options.seams;
    this.pool = new SandboxPool({ warm: options.warm, budget: new MemoryBudget(options.warmMemory) });
    this.history = new History(store.stateDir);
    this.receipts = new Receipts({
      ...{ stateDir: store.stateDir, rootId: store.instance.rootId, instanceId: store.instance.id },
      turn: (signal) => store.turn("receipts", signal),
      keyFile: settings.receiptsKey,
    });
    this.once = new Once(new RunIds(store.stateDir, { id: store.instance.id, isAlive: (id) => store.isAlive(id) }));
  }

  /** Opens the roots and mends what a dead process left there. */
  static async open(settings: Settings, options: EngineOptions): Promise<Engine> {
    const { workspaceRoot, sandboxRoot, versions } = settings;
    const store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, versions, owner: fileOwner(settings) });
    try {
      return new Engine(store, settings, options);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    // Each is closed whatever became of the one before; the first fault is told at the end.
    const faults: unknown[] = [];
    const fault = (error: unknown) => void faults.push(error);
    await this.pool
      .close()
      .then(() => step("close.pool"), fault)
      .catch(fault);
    await this.chooser
      .close()
      .then(() => step("close.backends"), fault)
      .catch(fault);
    await this.store
      .close()
      .then(() => step("close.store"), fault)
      .catch(fault);
    if (faults.length > 0) throw faults[0];
  }
}
