// Which launcher a sandbox comes from. All forks of one share its address layout and its seed of string hashes, so no launcher ever
// serves two tenants, and each is replaced after so many forks. One that is nobody's waits ready for the next new tenant.
import { totalmem } from "node:os";
import type { Launcher } from "./launcher.js";

/** Forks of one launcher before it is replaced. */
const FORKS_A_LAUNCHER = 500;
/** Tenants whose launchers are kept; of more, the one that asked least lately loses its own. Each takes some 12 MB and what it loads ahead. */
const [LEAST_TENANTS, MOST_TENANTS] = [64, 256];
const BYTES_A_TENANT = 16 * 1024 * 1024;
const SHARE_OF_MEMORY = 1 / 8;
/** A tenant who asked for nothing for so long loses its launcher; its waiting sandboxes are long gone by then. */
const KEPT_MS = 30 * 60_000;
const SWEEP_MS = 60_000;
/** The run that takes the spare one is over, mostly, before the next is started. */
const SPARE_DELAY_MS = 150;

/** What a stock has to know of a launcher. */
export type Stocked = Pick<Launcher, "ended" | "isAlive" | "forks" | "reserve" | "unreserve" | "retire" | "close">;

export interface Held<L extends Stocked = Launcher> {
  readonly launcher: L;
  /** Where it came from: another has launchers of another interpreter, or with other modules. */
  readonly stock: LauncherStock<L>;
  readonly start: Promise<Held<L>>;
  /** Null while it is nobody's. */
  tenant: string | null;
  /** Nothing more comes from it. */
  isRetired: boolean;
}

interface Own<L extends Stocked> {
  readonly held: Promise<Held<L>>;
  askedAt: number;
}

export class LauncherStock<L extends Stocked = Launcher> {
  readonly #start: () => Promise<L>;
  readonly #startsAhead: boolean;
  readonly #mostTenants: number;
  /** Who asked latest stands last. */
  readonly #byTenant = new Map<string, Own<L>>();
  #spare: Promise<Held<L>> | null = null;
  #spareLater: NodeJS.Timeout | null = null;
  readonly #sweeping: NodeJS.Timeout;
  readonly #all = new Set<Promise<Held<L>>>();
  #starts = 0;
  #closed = false;

  /** `startsAhead` is whether a spare one is started when the last was taken. */
  constructor(start: () => Promise<L>, startsAhead = true, mostTenants = tenantsFor(totalmem())) {
    this.#start = start;
    this.#startsAhead = startsAhead;
    this.#mostTenants = mostTenants;
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** The tenant's own; null: the one that is nobody's yet. It is reserved, which the caller ends. Throws what its start throws. */
  async take(tenant: string | null): Promise<Held<L>> {
    for (;;) {
      const before = this.#starts;
      const finding = tenant === null ? this.#spareOne() : this.#ownOf(tenant);
      const wasThere = this.#starts === before;
      try {
        const held = await finding;
        const isFresh = held.launcher.isAlive && held.launcher.forks < FORKS_A_LAUNCHER && !held.isRetired;
        // It may have become another's while this one waited for it.
        if (isFresh && held.tenant === tenant) {
          held.launcher.reserve();
          return held;
        }
        if (!isFresh) retire(held);
      } catch (error) {
        this.#forget(tenant, finding);
        // One that was started ahead may have failed for a reason that is gone.
        if (!wasThere) throw error;
        continue;
      }
      this.#forget(tenant, finding);
    }
  }

  /** The one that is nobody's becomes this tenant's, with all that came from it; not where the tenant has its own. */
  adopt(held: Held<L>, tenant: string): void {
    if (held.tenant !== null || this.#byTenant.has(tenant)) return;
    held.tenant = tenant;
    if (this.#spare === held.start) this.#spare = null;
    this.#keep(tenant, Promise.resolve(held));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeping);
    if (this.#spareLater) clearTimeout(this.#spareLater);
    const all = await Promise.allSettled(this.#all);
    await Promise.all(all.map((held) => (held.status === "fulfilled" ? held.value.launcher.close() : undefined)));
  }

  #ownOf(tenant: string): Promise<Held<L>> {
    const own = this.#byTenant.get(tenant);
    if (own !== undefined) {
      own.askedAt = performance.now();
      this.#byTenant.delete(tenant);
      this.#byTenant.set(tenant, own);
      return own.held;
    }
    const taken = this.#spareOne().then((held) => {
      held.tenant ??= tenant;
      return held;
    });
    this.#spare = null;
    this.#keep(tenant, taken);
    return taken;
  }

  #keep(tenant: string, held: Promise<Held<L>>): void {
    this.#byTenant.set(tenant, { held, askedAt: performance.now() });
    for (const name of this.#byTenant.keys()) {
      if (this.#byTenant.size <= this.#mostTenants) break;
      this.#giveUp(name);
    }
    this.#spareSoon();
  }

  #sweep(): void {
    const latest = performance.now() - KEPT_MS;
    for (const [tenant, { askedAt }] of this.#byTenant) if (askedAt < latest) this.#giveUp(tenant);
  }

  /** Its launcher ends when its last sandbox has. */
  #giveUp(tenant: string): void {
    const own = this.#byTenant.get(tenant);
    this.#byTenant.delete(tenant);
    own?.held.then(retire).catch(() => undefined);
  }

  /** What was found is of no use; another may have been put in its place meanwhile. */
  #forget(tenant: string | null, found: Promise<Held<L>>): void {
    if (tenant === null) {
      if (this.#spare === found) this.#spare = null;
    } else if (this.#byTenant.get(tenant)?.held === found) this.#byTenant.delete(tenant);
  }

  #spareOne(): Promise<Held<L>> {
    this.#spare ??= this.#started();
    return this.#spare;
  }

  #started(): Promise<Held<L>> {
    this.#starts += 1;
    const starting = this.#start().then((launcher): Held<L> => {
      void launcher.ended.then(() => this.#all.delete(starting));
      return { launcher, stock: this, start: starting, tenant: null, isRetired: false };
    });
    this.#all.add(starting);
    starting.catch(() => this.#all.delete(starting));
    return starting;
  }

  #spareSoon(): void {
    if (this.#spareLater !== null || this.#closed || !this.#startsAhead) return;
    this.#spareLater = setTimeout(() => {
      this.#spareLater = null;
      if (this.#closed) return;
      const spare = this.#spareOne();
      // One that does not start is the next asker's to meet.
      spare.catch(() => this.#forget(null, spare));
    }, SPARE_DELAY_MS).unref();
  }
}

/** Nothing more comes from its launcher, which ends when its last sandbox has. */
export function retire<L extends Stocked>(held: Held<L>): void {
  held.isRetired = true;
  held.launcher.retire();
}

const tenantsFor = (memoryBytes: number): number =>
  Math.max(LEAST_TENANTS, Math.min(MOST_TENANTS, Math.floor((memoryBytes * SHARE_OF_MEMORY) / BYTES_A_TENANT)));
