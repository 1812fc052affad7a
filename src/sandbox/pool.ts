// Sandboxes booted ahead of need, each leased once. A warm sandbox that dies while it waits is thrown away.
// It does not know what runs inside, nor how many runs there may be at once.
import { createHash } from "node:crypto";
import type { FileOwner } from "../model/instance.js";
import type { Sandbox, SandboxBackend } from "./backend.js";
import type { Profile } from "./profile.js";

export interface Lease {
  sandbox: Sandbox;
  /** True when it was booted before it was asked for. */
  warm: boolean;
}

interface Shelf {
  readonly backend: SandboxBackend;
  readonly profile: Profile;
  /** Whose these are, with a backend that keeps tenants apart; null: nobody's yet, or anybody's. */
  readonly tenant: string | null;
  readonly idle: Sandbox[];
  booting: number;
  refillLater: NodeJS.Timeout | null;
}

/** A boot competes with the run that took the last sandbox; a short run is over before the next one is booted. */
const DELAY_WHILE_RUNNING_MS = 100;
/** Starting a process holds up this one for milliseconds; the result of the run that just ended goes out first. */
const DELAY_AFTER_RUN_MS = 10;

export class SandboxPool {
  readonly #size: number;
  readonly #shelves = new Map<string, Shelf>();
  /** Asked for three times a run, and mostly of one object. */
  readonly #hashes = new WeakMap<Profile, string>();
  readonly #background = new Set<Promise<unknown>>();
  #closed = false;

  /** `size` is how many sandboxes of one backend and profile wait ready; 0 boots each when it is asked for. */
  constructor(size: number) {
    this.#size = size;
  }

  /** A sandbox nobody had before. Its place is refilled when it is retired, or a little later. `onOwner` may be told before it is there. */
  async acquire(
    backend: SandboxBackend,
    profile: Profile,
    tenant: string | null = null,
    onOwner?: (owner: FileOwner) => void,
  ): Promise<Lease> {
    const shelf = this.#shelf(backend, profile, tenant);
    const idle = shelf.idle.shift() ?? this.#adopted(shelf);
    if (idle) {
      this.#refillIn(shelf, DELAY_WHILE_RUNNING_MS);
      return { sandbox: idle, warm: true };
    }
    const sandbox = await backend.boot(profile, onOwner, shelf.tenant);
    if (this.#closed) {
      await sandbox.dispose();
      throw new Error("the pool was closed while a sandbox was booting");
    }
    this.#refillIn(shelf, DELAY_WHILE_RUNNING_MS);
    return { sandbox, warm: false };
  }

  /** Boots sandboxes for this profile until `size` of them wait. Resolves when they do; a failed boot is the next acquirer's to meet. */
  async warm(backend: SandboxBackend, profile: Profile): Promise<void> {
    this.#refill(this.#shelf(backend, profile, null));
    await Promise.allSettled([...this.#background]);
  }

  /** Takes a used sandbox away, behind the caller's back, and refills its place. `close` waits for it. */
  retire(backend: SandboxBackend, profile: Profile, sandbox: Sandbox): void {
    const tenant = backend.tenantOf?.(sandbox) ?? null;
    this.#inBackground(sandbox.dispose());
    this.#refillIn(this.#shelf(backend, profile, tenant), DELAY_AFTER_RUN_MS);
  }

  /** Puts an unused sandbox back; the caller vouches that it never ran a job. */
  giveBack(backend: SandboxBackend, profile: Profile, sandbox: Sandbox): void {
    if (this.#closed) this.#inBackground(sandbox.dispose());
    else this.#put(backend, profile, sandbox);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const idle = [...this.#shelves.values()].flatMap((shelf) => shelf.idle.splice(0));
    for (const { refillLater } of this.#shelves.values()) if (refillLater) clearTimeout(refillLater);
    await Promise.allSettled([...this.#background, ...idle.map((sandbox) => sandbox.dispose())]);
  }

  /** What waits for anybody becomes this shelf's, with all of the same origin: two tenants never share one. */
  #adopted(shelf: Shelf): Sandbox | undefined {
    const { backend, profile, tenant } = shelf;
    if (tenant === null) return undefined;
    const nobodys = this.#shelf(backend, profile, null);
    const first = nobodys.idle[0];
    if (first === undefined) return undefined;
    backend.adopt?.(first, tenant);
    const ours = nobodys.idle.filter((sandbox) => backend.tenantOf?.(sandbox) === tenant);
    nobodys.idle.splice(0, nobodys.idle.length, ...nobodys.idle.filter((sandbox) => !ours.includes(sandbox)));
    shelf.idle.push(...ours);
    this.#refillIn(nobodys, DELAY_WHILE_RUNNING_MS);
    return shelf.idle.shift();
  }

  #shelf(backend: SandboxBackend, profile: Profile, ofTenant: string | null): Shelf {
    const tenant = backend.tenantOf === undefined ? null : ofTenant;
    const key = JSON.stringify([backend.name, this.#hashOf(profile), tenant]);
    const known = this.#shelves.get(key);
    if (known) return known;
    const shelf: Shelf = { backend, profile, tenant, idle: [], booting: 0, refillLater: null };
    this.#shelves.set(key, shelf);
    return shelf;
  }

  #hashOf(profile: Profile): string {
    const known = this.#hashes.get(profile);
    if (known !== undefined) return known;
    const hash = createHash("sha256").update(JSON.stringify(profile)).digest("hex");
    this.#hashes.set(profile, hash);
    return hash;
  }

  #refillIn(shelf: Shelf, delayMs: number): void {
    if (shelf.refillLater) clearTimeout(shelf.refillLater);
    shelf.refillLater = this.#closed ? null : setTimeout(() => this.#refill(shelf), delayMs).unref();
  }

  #refill(shelf: Shelf): void {
    if (shelf.refillLater) clearTimeout(shelf.refillLater);
    shelf.refillLater = null;
    while (!this.#closed && shelf.idle.length + shelf.booting < this.#size) {
      shelf.booting += 1;
      const boot = shelf.backend
        .boot(shelf.profile, undefined, shelf.tenant)
        .then((sandbox) => (this.#closed ? sandbox.dispose() : this.#put(shelf.backend, shelf.profile, sandbox)))
        // A boot that fails ahead of need fails again, and is told, when somebody asks.
        .catch(() => undefined)
        .finally(() => {
          shelf.booting -= 1;
        });
      this.#inBackground(boot);
    }
  }

  /** On the shelf of whose it is by now: while it booted its origin may have become somebody's. */
  #put(backend: SandboxBackend, profile: Profile, sandbox: Sandbox): void {
    this.#shelf(backend, profile, backend.tenantOf?.(sandbox) ?? null).idle.push(sandbox);
    void sandbox.ended.then(() => {
      // It may have been moved to its tenant's shelf.
      const shelf = [...this.#shelves.values()].find(({ idle }) => idle.includes(sandbox));
      if (shelf === undefined) return;
      shelf.idle.splice(shelf.idle.indexOf(sandbox), 1);
      this.#inBackground(sandbox.dispose());
    });
  }

  #inBackground(work: Promise<unknown>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work)).catch(() => undefined);
  }
}
