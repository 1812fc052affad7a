// Which launcher a sandbox comes from. All forks of one share its address layout and its seed of string hashes, so no launcher ever
// serves two tenants, and each is replaced after so many forks. One that is nobody's waits ready for the next new tenant.
import type { Launcher } from "./launcher.js";

/** Forks of one launcher before it is replaced. */
const FORKS_A_LAUNCHER = 500;
/** Tenants whose launchers are kept; of more, the one that asked least lately loses its own. */
const MAX_TENANTS = 64;
/** The run that takes the spare one is over, mostly, before the next is started. */
const SPARE_DELAY_MS = 150;

export interface Held {
  readonly launcher: Launcher;
  /** Where it came from: another has launchers of another interpreter, or with other modules. */
  readonly stock: LauncherStock;
  /** Null while it is nobody's. */
  tenant: string | null;
}

export class LauncherStock {
  readonly #start: () => Promise<Launcher>;
  readonly #startsAhead: boolean;
  readonly #byTenant = new Map<string, Promise<Held>>();
  #spare: Promise<Held> | null = null;
  #spareLater: NodeJS.Timeout | null = null;
  readonly #all = new Set<Promise<Held>>();
  #starts = 0;
  #closed = false;

  /** `startsAhead` is whether a spare one is started when the last was taken. */
  constructor(start: () => Promise<Launcher>, startsAhead = true) {
    this.#start = start;
    this.#startsAhead = startsAhead;
  }

  /** The tenant's own; null: the one that is nobody's yet. It is reserved, which the caller ends. Throws what its start throws. */
  async take(tenant: string | null): Promise<Held> {
    if (tenant === null)
      return await this.#fresh(
        () => this.#spareOne(),
        () => this.#forgetSpare(),
      );
    return await this.#fresh(
      () => this.#ownOf(tenant),
      () => this.#byTenant.delete(tenant),
    );
  }

  /** The one that is nobody's becomes this tenant's, with all that came from it; not where the tenant has its own. */
  adopt(held: Held, tenant: string): void {
    if (held.tenant !== null || this.#byTenant.has(tenant)) return;
    held.tenant = tenant;
    this.#forgetSpare();
    this.#keep(tenant, Promise.resolve(held));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#spareLater) clearTimeout(this.#spareLater);
    const all = await Promise.allSettled(this.#all);
    await Promise.all(all.map((held) => (held.status === "fulfilled" ? held.value.launcher.close() : undefined)));
  }

  /** One that works and has forks left. */
  async #fresh(find: () => Promise<Held>, forget: () => void): Promise<Held> {
    for (;;) {
      const before = this.#starts;
      const finding = find();
      const wasThere = this.#starts === before;
      try {
        const held = await finding;
        if (held.launcher.isAlive && held.launcher.forks < FORKS_A_LAUNCHER) {
          held.launcher.reserve();
          return held;
        }
        held.launcher.retire();
      } catch (error) {
        forget();
        // One that was started ahead may have failed for a reason that is gone.
        if (!wasThere) throw error;
        continue;
      }
      forget();
    }
  }

  #ownOf(tenant: string): Promise<Held> {
    const known = this.#byTenant.get(tenant);
    if (known !== undefined) {
      // Asked latest: last in the order of the map.
      this.#byTenant.delete(tenant);
      this.#byTenant.set(tenant, known);
      return known;
    }
    const taken = this.#spareOne().then((held) => {
      held.tenant ??= tenant;
      return held;
    });
    this.#spare = null;
    this.#keep(tenant, taken);
    return taken;
  }

  #keep(tenant: string, held: Promise<Held>): void {
    this.#byTenant.set(tenant, held);
    for (const [name, oldest] of this.#byTenant) {
      if (this.#byTenant.size <= MAX_TENANTS) break;
      this.#byTenant.delete(name);
      void oldest.then(
        ({ launcher }) => launcher.retire(),
        () => undefined,
      );
    }
    this.#spareSoon();
  }

  #spareOne(): Promise<Held> {
    this.#spare ??= this.#started();
    return this.#spare;
  }

  #started(): Promise<Held> {
    this.#starts += 1;
    const starting = this.#start().then((launcher): Held => {
      void launcher.ended.then(() => this.#all.delete(starting));
      return { launcher, stock: this, tenant: null };
    });
    this.#all.add(starting);
    starting.catch(() => this.#all.delete(starting));
    return starting;
  }

  #forgetSpare(): void {
    this.#spare = null;
  }

  #spareSoon(): void {
    if (this.#spareLater !== null || this.#closed || !this.#startsAhead) return;
    this.#spareLater = setTimeout(() => {
      this.#spareLater = null;
      // One that does not start is the next asker's to meet.
      if (!this.#closed) this.#spareOne().catch(() => this.#forgetSpare());
    }, SPARE_DELAY_MS).unref();
  }
}
