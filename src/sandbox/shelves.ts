// Where sandboxes wait: a shelf for each backend, profile and, with a backend that keeps tenants apart, tenant. How many a shelf
// ought to have is told here; only those used most lately have any.
import { createHash } from "node:crypto";
import type { Sandbox, SandboxBackend } from "./backend.js";
import { Demand } from "./demand.js";
import type { Profile } from "./profile.js";

/** More than the demand asks for is never worth it. */
const MOST_OF_A_SHELF = 32;
/** Tenants for whom sandboxes wait. A backend that keeps something for each tenant keeps it for more of them than these. */
const MOST_TENANTS = 48;
const MOST_PROFILES = 16;
/** For a tenant who ran within this time as many wait as for everybody; then one, and after the second time none. */
const LATELY_MS = 60_000;
const KEPT_MS = 15 * 60_000;
/** After this long one that waits is replaced: nobody knows what has changed on the host since. */
const OLD_MS = 60 * 60_000;
/** What a backend that does not say takes for each that waits. */
const WAITING_BYTES = 16 * 1024 * 1024;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

export interface Waiting {
  readonly sandbox: Sandbox;
  readonly since: number;
}

export class Shelf {
  readonly backend: SandboxBackend;
  readonly profile: Profile;
  /** Whose these are; null: nobody's yet, or anybody's. */
  readonly tenant: string | null;
  /** The same for all tenants of one backend and profile. */
  readonly kind: string;
  /** The one that waits longest stands first. */
  readonly idle: Waiting[] = [];
  readonly demand = new Demand();
  /** Boots ahead under way. */
  booting = 0;
  /** Runs that have one of it, or wait for one. */
  users = 0;
  usedAt = 0;
  /** When a boot ahead was begun for it, counted over all shelves: the one that waits longest is next. */
  turn = 0;
  #failures = 0;
  #pausedUntil = 0;

  constructor(backend: SandboxBackend, profile: Profile, tenant: string | null, kind: string) {
    this.backend = backend;
    this.profile = profile;
    this.tenant = tenant;
    this.kind = kind;
  }

  /** Bytes that each takes while it waits. */
  get each(): number {
    return this.backend.waitingBytes ?? WAITING_BYTES;
  }

  /** How many of those that wait need no replacement. */
  fresh(at: number): number {
    return this.idle.filter((waiting) => !this.isOld(waiting, at)).length;
  }

  isOld({ sandbox, since }: Waiting, at: number): boolean {
    return at - since > OLD_MS || this.backend.isOutdated?.(sandbox) === true;
  }

  /** A boot ahead failed, or what it made died: the next one waits, the longer the more often. */
  failed(at: number): void {
    if (at < this.#pausedUntil) return;
    this.#pausedUntil = at + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
  }

  /** Somebody has one that works. */
  worked(): void {
    this.#failures = 0;
    this.#pausedUntil = 0;
  }

  pauses(at: number): boolean {
    return at < this.#pausedUntil;
  }
}

export class Shelves {
  readonly #warm: number;
  readonly #all = new Map<string, Shelf>();
  /** Those that have sandboxes; the one used least lately stands first. */
  readonly #ofTenants = new Set<Shelf>();
  readonly #ofNobody = new Set<Shelf>();
  /** Asked for at each run, and mostly of one object. */
  readonly #hashes = new WeakMap<Profile, string>();

  /** `warm` is the least that waits for a profile in use and for a tenant who runs; with 0 nothing ever waits. */
  constructor(warm: number) {
    this.#warm = warm;
  }

  of(backend: SandboxBackend, profile: Profile, ofTenant: string | null): Shelf {
    const tenant = backend.tenantOf === undefined ? null : ofTenant;
    const kind = JSON.stringify([backend.name, this.#hashOf(profile)]);
    const key = JSON.stringify([kind, tenant]);
    const known = this.#all.get(key);
    if (known !== undefined) return known;
    const shelf = new Shelf(backend, profile, tenant, kind);
    this.#all.set(key, shelf);
    return shelf;
  }

  all(): IterableIterator<Shelf> {
    return this.#all.values();
  }

  /** Those that may have sandboxes. */
  *kept(): Generator<Shelf> {
    yield* this.#ofNobody;
    yield* this.#ofTenants;
  }

  /** Somebody uses it, and with it the one that is nobody's. */
  used(shelf: Shelf, at: number): void {
    const nobodys = shelf.tenant === null ? shelf : this.of(shelf.backend, shelf.profile, null);
    for (const each of [nobodys, shelf]) each.usedAt = at;
    toTheEnd(this.#ofNobody, nobodys, MOST_PROFILES);
    if (shelf !== nobodys) toTheEnd(this.#ofTenants, shelf, MOST_TENANTS);
  }

  /** How many ought to wait on it. */
  target(shelf: Shelf, at: number): number {
    const isKept = this.#ofTenants.has(shelf) || this.#ofNobody.has(shelf);
    if (this.#warm === 0 || !isKept) return 0;
    const wanted = Math.min(MOST_OF_A_SHELF, shelf.demand.wanted(at));
    if (shelf.tenant === null) return Math.max(this.#warm, wanted);
    const quietMs = shelf.users > 0 ? 0 : at - shelf.usedAt;
    if (quietMs < LATELY_MS) return Math.max(this.#warm, wanted);
    return quietMs < KEPT_MS ? Math.max(1, wanted) : 0;
  }

  /** The one of those used less lately than this one that has sandboxes and was used least lately. */
  leastUsed(than: Shelf | null): Shelf | null {
    let found: Shelf | null = null;
    for (const shelf of this.kept()) {
      if (shelf.idle.length === 0 || shelf.usedAt >= (than?.usedAt ?? Number.POSITIVE_INFINITY)) continue;
      if (found === null || shelf.usedAt < found.usedAt) found = shelf;
    }
    return found;
  }

  /** What all take that wait or are being booted ahead. */
  bytes(): number {
    let bytes = 0;
    for (const shelf of this.#all.values()) bytes += (shelf.idle.length + shelf.booting) * shelf.each;
    return bytes;
  }

  /** Forgets those that have nothing and get nothing. */
  sweep(at: number): void {
    for (const [key, shelf] of this.#all) {
      const isInUse = shelf.idle.length + shelf.booting + shelf.users > 0 || at - shelf.usedAt < LATELY_MS;
      if (isInUse || this.target(shelf, at) > 0) continue;
      this.#all.delete(key);
      this.#ofTenants.delete(shelf);
      this.#ofNobody.delete(shelf);
    }
  }

  #hashOf(profile: Profile): string {
    const known = this.#hashes.get(profile);
    if (known !== undefined) return known;
    // What a run requires is looked at when the sandbox is there, and makes no other one.
    const booted = { ...profile, require: [] };
    const hash = createHash("sha256").update(JSON.stringify(booted)).digest("hex");
    this.#hashes.set(profile, hash);
    return hash;
  }
}

function toTheEnd(shelves: Set<Shelf>, shelf: Shelf, most: number): void {
  shelves.delete(shelf);
  shelves.add(shelf);
  for (const oldest of shelves) {
    if (shelves.size <= most) return;
    shelves.delete(oldest);
  }
}
