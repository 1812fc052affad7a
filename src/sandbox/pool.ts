// Sandboxes booted ahead of need, each leased once. Who finds none ready waits in line for a boot. It does not know what runs inside,
// nor how many runs there may be at once.
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import type { FileOwner } from "../model/instance.js";
import type { Sandbox, SandboxBackend } from "./backend.js";
import { BootQueue } from "./boot-queue.js";
import { BootsAhead } from "./boots-ahead.js";
import { MemoryBudget } from "./memory-budget.js";
import { countShelves, type PoolCounts } from "./pool-counts.js";
import type { Profile } from "./profile.js";
import { type Shelf, Shelves } from "./shelves.js";

export interface Lease {
  sandbox: Sandbox;
  /** True when it waited ready. */
  warm: boolean;
}

export interface PoolOptions {
  /** How many wait ready at least for a profile in use; 0 boots each when it is asked for. */
  readonly warm: number;
  readonly budget?: MemoryBudget;
  readonly processors?: number;
}

export interface Wanted {
  readonly tenant?: string | null;
  /** May be told before the sandbox is there. */
  readonly onOwner?: (owner: FileOwner) => void;
  /** Takes the caller out of the line; a boot that has begun goes on. */
  readonly signal?: AbortSignal;
}

/** A boot competes with the run that took the last sandbox; a short run is over before the next one is booted. */
const DELAY_WHILE_RUNNING_MS = 100;
/** Starting a process holds up this one for milliseconds; the result of the run that just ended goes out first. */
const DELAY_AFTER_RUN_MS = 10;
/** Of a boot on demand half is waiting for the kernel or an engine. */
const BOOTS_A_PROCESSOR = 2;

export class SandboxPool {
  readonly #shelves: Shelves;
  readonly #processors: number;
  readonly #ahead: BootsAhead;
  /** By backend: one that is silent holds up its own runs alone. */
  readonly #queues = new Map<string, BootQueue<Shelf, Sandbox>>();
  /** Where each that waits stands. */
  readonly #waiting = new Map<Sandbox, Shelf>();
  readonly #leased = new Map<Sandbox, Shelf>();
  readonly #background = new Set<Promise<unknown>>();
  #closed = false;

  constructor({ warm, budget = new MemoryBudget(null), processors = availableParallelism() }: PoolOptions) {
    this.#shelves = new Shelves(warm);
    this.#processors = processors;
    this.#ahead = new BootsAhead({
      ...{ shelves: this.#shelves, budget, processors },
      busy: () => this.#busy(),
      boot: (shelf) => this.#bootAhead(shelf),
      track: (work) => void this.#inBackground(work),
      sortOut: (shelf) => this.#sortOut(shelf),
      drop: (shelf) => this.#drop(shelf),
    });
  }

  /** A sandbox nobody had before: one that waits, or else a boot, in the order of asking and fair between tenants. */
  async acquire(backend: SandboxBackend, profile: Profile, wanted: Wanted = {}): Promise<Lease> {
    if (this.#closed) throw closedError();
    const { tenant = null } = wanted;
    const shelf = this.#shelves.of(backend, profile, tenant);
    const now = performance.now();
    this.#shelves.used(shelf, now);
    shelf.demand.arrived(now);
    shelf.users += 1;
    try {
      const ready = this.#next(shelf) ?? this.#adopted(shelf);
      if (ready !== undefined) return this.#lease(shelf, ready, true);
      const turn = await this.#queue(backend).turn(tenant ?? "", shelf, wanted.signal);
      // It was booted meanwhile, ahead of somebody else's need.
      if ("given" in turn) return this.#lease(shelf, turn.given, false);
      const sandbox = await this.#inBackground(this.#boot(shelf, wanted.onOwner).finally(turn.end));
      return this.#lease(shelf, sandbox, false);
    } catch (error) {
      this.#left(shelf);
      throw error;
    } finally {
      this.#ahead.fillIn(DELAY_WHILE_RUNNING_MS);
    }
  }

  /** Boots ahead until as many wait as shall, for this profile and whoever ran lately; a boot that fails is the next acquirer's to meet. */
  async warm(backend: SandboxBackend, profile: Profile): Promise<void> {
    this.#shelves.used(this.#shelves.of(backend, profile, null), performance.now());
    let lacking = this.#ahead.lacking();
    this.#ahead.fill();
    // Each time round one of them ends; while acquirers come none may begin.
    for (; lacking >= 0 && this.#background.size > 0; lacking -= 1) await Promise.allSettled([...this.#background]);
  }

  /** Takes a used sandbox away, behind the caller's back. Its place is refilled a little later. `close` waits for it. */
  retire(sandbox: Sandbox): void {
    this.#return(sandbox);
    // The result of its run goes out first.
    void this.#inBackground(setImmediate().then(() => sandbox.dispose())).catch(() => undefined);
    this.#ahead.fillIn(DELAY_AFTER_RUN_MS);
  }

  /** Puts an unused sandbox back; the caller vouches that it never ran a job. */
  giveBack(sandbox: Sandbox): void {
    const shelf = this.#return(sandbox);
    if (shelf === undefined) this.#dispose(sandbox);
    else this.#put(shelf, sandbox);
  }

  counts(): PoolCounts[] {
    return countShelves(this.#shelves.all());
  }

  /** Whoever stands in line is told. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#ahead.close();
    for (const queue of this.#queues.values()) queue.close(closedError());
    for (const shelf of this.#shelves.all()) shelf.idle.splice(0);
    for (const sandbox of this.#waiting.keys()) this.#dispose(sandbox);
    this.#waiting.clear();
    while (this.#background.size > 0) await Promise.allSettled([...this.#background]);
  }

  #lease(shelf: Shelf, sandbox: Sandbox, warm: boolean): Lease {
    const { backend, tenant } = shelf;
    const whose = backend.tenantOf?.(sandbox) ?? null;
    if (this.#closed || whose !== tenant) {
      this.#dispose(sandbox);
      throw this.#closed ? closedError() : new Error(`a sandbox of the ${backend.name} backend is another tenant's`);
    }
    shelf.worked();
    this.#leased.set(sandbox, shelf);
    return { sandbox, warm };
  }

  #return(sandbox: Sandbox): Shelf | undefined {
    const shelf = this.#leased.get(sandbox);
    if (shelf !== undefined) this.#left(shelf);
    this.#leased.delete(sandbox);
    return shelf;
  }

  #left(shelf: Shelf): void {
    shelf.users -= 1;
    shelf.usedAt = performance.now();
  }

  /** What waits for anybody becomes this shelf's, with all of the same origin: two tenants never share one. */
  #adopted(shelf: Shelf): Sandbox | undefined {
    const { backend, profile, tenant } = shelf;
    if (tenant === null) return undefined;
    const nobodys = this.#shelves.of(backend, profile, null);
    this.#sortOut(nobodys);
    const [first] = nobodys.idle;
    if (first !== undefined) {
      backend.adopt?.(first.sandbox, tenant);
      this.#sortOut(nobodys);
    }
    return this.#next(shelf);
  }

  /** Its origin may have become somebody's by a boot or a run of another profile. */
  #sortOut(nobodys: Shelf): void {
    const { backend, profile } = nobodys;
    for (const waiting of [...nobodys.idle]) {
      const tenant = backend.tenantOf?.(waiting.sandbox) ?? null;
      if (tenant === null) continue;
      const shelf = this.#shelves.of(backend, profile, tenant);
      nobodys.idle.splice(nobodys.idle.indexOf(waiting), 1);
      shelf.idle.push(waiting);
      this.#waiting.set(waiting.sandbox, shelf);
    }
  }

  #next(shelf: Shelf): Sandbox | undefined {
    const sandbox = shelf.idle.shift()?.sandbox;
    if (sandbox !== undefined) this.#waiting.delete(sandbox);
    return sandbox;
  }

  #queue({ name }: SandboxBackend): BootQueue<Shelf, Sandbox> {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new BootQueue<Shelf, Sandbox>(BOOTS_A_PROCESSOR * this.#processors);
    this.#queues.set(name, queue);
    return queue;
  }

  #busy(): number | null {
    let busy = this.#leased.size;
    for (const { waiting, underWay } of this.#queues.values()) {
      if (waiting > 0) return null;
      busy += underWay;
    }
    return busy;
  }

  async #boot(shelf: Shelf, onOwner?: (owner: FileOwner) => void): Promise<Sandbox> {
    const startedAt = performance.now();
    const sandbox = await shelf.backend.boot(shelf.profile, onOwner, shelf.tenant);
    shelf.demand.booted(performance.now() - startedAt);
    return sandbox;
  }

  async #bootAhead(shelf: Shelf): Promise<void> {
    this.#put(shelf, await this.#boot(shelf));
  }

  /** To whoever waits for one, else on the shelf of whose it is by now: while it booted its origin may have become somebody's. */
  #put({ backend, profile }: Shelf, sandbox: Sandbox): void {
    if (this.#closed) {
      this.#dispose(sandbox);
      return;
    }
    const shelf = this.#shelves.of(backend, profile, backend.tenantOf?.(sandbox) ?? null);
    if (this.#queue(backend).offer(sandbox, (asker) => asker === shelf || canAdopt(asker, shelf, sandbox))) return;
    shelf.idle.push({ sandbox, since: performance.now() });
    this.#waiting.set(sandbox, shelf);
    void sandbox.ended.then(() => this.#died(sandbox));
  }

  #died(sandbox: Sandbox): void {
    const shelf = this.#waiting.get(sandbox);
    if (shelf === undefined) return;
    shelf.failed(performance.now());
    this.#drop(shelf, sandbox);
  }

  /** The one that waits longest, where none is named. */
  #drop(shelf: Shelf, sandbox = shelf.idle[0]?.sandbox): void {
    const at = shelf.idle.findIndex((waiting) => waiting.sandbox === sandbox);
    if (sandbox === undefined || at < 0) return;
    shelf.idle.splice(at, 1);
    this.#waiting.delete(sandbox);
    this.#dispose(sandbox);
  }

  #dispose(sandbox: Sandbox): void {
    void this.#inBackground(sandbox.dispose()).catch(() => undefined);
  }

  #inBackground<T>(work: Promise<T>): Promise<T> {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work)).catch(() => undefined);
    return work;
  }
}

const closedError = (): Error => new Error("the pool was closed");

/** Makes nobody's sandbox the asker's, where that can be. */
function canAdopt(asker: Shelf, { backend, tenant, kind }: Shelf, sandbox: Sandbox): boolean {
  if (tenant !== null || asker.tenant === null || asker.kind !== kind) return false;
  backend.adopt?.(sandbox, asker.tenant);
  return backend.tenantOf?.(sandbox) === asker.tenant;
}
