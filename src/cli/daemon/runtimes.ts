// The runtimes of a resident engine: one for each default profile and backend that callers named, a few at once.
import { createRuntime, type Runtime } from "../../harness/runtime.js";
import { type Place, placeOf } from "./place.js";

const MAX_RUNTIMES = 4;
/** Sandboxes that wait ready, for each. */
export const WARM = 2;

export interface Choice {
  profile?: string | undefined;
  backend?: string | undefined;
}

export interface Lent {
  readonly runtime: Runtime;
  giveBack(): void;
}

interface Kept {
  readonly runtime: Promise<Runtime>;
  lent: number;
}

const keyOf = ({ profile, backend }: Choice): string => JSON.stringify([profile, backend]);

export class Runtimes {
  readonly #place: Place;
  readonly #config: string | undefined;
  /** The one asked for last stands last. */
  readonly #kept = new Map<string, Kept>();
  readonly #closing = new Set<Promise<unknown>>();
  #closed = false;

  /** `first` is for those who name neither profile nor backend. */
  constructor(place: Place, config: string | undefined, first: Runtime) {
    this.#place = place;
    this.#config = config;
    this.#kept.set(keyOf({}), { runtime: Promise.resolve(first), lent: 0 });
  }

  /** Null where there is no room for another one, or what it would be made of has changed since. Throws for settings at fault. */
  async lend(choice: Choice): Promise<Lent | null> {
    if (this.#closed) return null;
    const key = keyOf(choice);
    const kept = this.#kept.get(key) ?? this.#make(choice);
    if (kept === null) return null;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    kept.lent += 1;
    const giveBack = () => {
      kept.lent -= 1;
    };
    try {
      return { runtime: await kept.runtime, giveBack };
    } catch (error) {
      giveBack();
      if (this.#kept.get(key) === kept) this.#kept.delete(key);
      throw error;
    }
  }

  /** Cancels what runs. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { runtime } of this.#kept.values()) this.#close(runtime);
    this.#kept.clear();
    await Promise.allSettled([...this.#closing]);
  }

  #make({ profile, backend }: Choice): Kept | null {
    if (this.#kept.size >= MAX_RUNTIMES && !this.#dropOne()) return null;
    if (placeOf(this.#config)?.key !== this.#place.key) return null;
    const named = { ...(profile !== undefined && { profile }), ...(backend !== undefined && { backend }) };
    const config = this.#config === undefined ? {} : { config: this.#config };
    return { runtime: createRuntime({ ...named, ...config, warm: WARM }), lent: 0 };
  }

  #dropOne(): boolean {
    for (const [key, { runtime, lent }] of this.#kept) {
      if (lent > 0) continue;
      this.#kept.delete(key);
      this.#close(runtime);
      return true;
    }
    return false;
  }

  #close(runtime: Promise<Runtime>): void {
    const closing = runtime.then((found) => found.close()).catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }
}
