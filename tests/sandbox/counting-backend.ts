// Backends that boot nothing: they count boots and ends, and a test decides when a boot is over, fails, or what it made dies.
import { PassThrough } from "node:stream";
import { DEFAULT_LIMITS } from "../../src/model/limits.js";
import type { Probe, Sandbox, SandboxBackend } from "../../src/sandbox/backend.js";
import type { Profile } from "../../src/sandbox/profile.js";

export const PROFILE: Profile = {
  ...{ name: "p", backend: "counting", image: "", runtime: null, python: null, network: "none" },
  ...{ limits: DEFAULT_LIMITS, cwd: "work", env: {}, packages: [], preimports: [], require: [] },
};

export interface CountedSandbox extends Sandbox {
  /** Whom its boot was for. */
  readonly bootedFor: string | null;
  die(): void;
}

interface UnderWay {
  readonly tenant: string | null;
  finish(): void;
  fail(): void;
}

export class CountingBackend implements SandboxBackend {
  readonly name: string;
  readonly waitingBytes = 10;
  readonly booted: CountedSandbox[] = [];
  readonly disposed = new Set<string>();
  /** Boots that are not over, in the order they began; with `holds` a test ends them. */
  readonly underWay: UnderWay[] = [];
  /** The most that were under way at once. */
  mostAtOnce = 0;
  begun = 0;
  holds = false;
  failing = false;

  constructor(name = "counting") {
    this.name = name;
  }

  /** Those that were booted and are not thrown away. */
  get living(): string[] {
    return this.booted.map(({ id }) => id).filter((id) => !this.disposed.has(id));
  }

  async probe(): Promise<Probe> {
    return { usable: true, checks: [] };
  }

  async boot(_: Profile, __?: unknown, tenant: string | null = null): Promise<Sandbox> {
    this.begun += 1;
    await new Promise<void>((resolve, reject) => {
      const entry = { tenant, finish: () => over(resolve), fail: () => over(() => reject(new Error("no room"))) };
      const over = (then: () => void) => {
        this.underWay.splice(this.underWay.indexOf(entry), 1);
        then();
      };
      this.underWay.push(entry);
      this.mostAtOnce = Math.max(this.mostAtOnce, this.underWay.length);
      if (this.failing) entry.fail();
      else if (!this.holds) entry.finish();
    });
    const made = this.makeSandbox(tenant);
    this.booted.push(made);
    return made;
  }

  makeSandbox(bootedFor: string | null): CountedSandbox {
    let die = () => {};
    const ended = new Promise<void>((resolve) => {
      die = resolve;
    });
    const id = `${this.name}-${this.booted.length}`;
    return {
      ...{ id, ended, die, bootedFor, channel: new PassThrough(), python: { path: "", version: "" } },
      ...{ inside: { work: "", out: "" }, owner: { uid: 1, gid: 1 } },
      deliver: async () => {},
      collect: async () => {},
      stop: async () => ({ oomKills: null, processHits: null, lost: null }),
      dispose: async () => void this.disposed.add(id),
      policy: () => {
        throw new Error("not asked for");
      },
      engineLog: () => [],
    };
  }

  async reap() {}
  async close() {}
}

interface Origin {
  tenant: string | null;
  isOutdated: boolean;
}

/** One that keeps tenants apart: all that is booted for nobody has one origin, until that becomes somebody's. */
export class TenantBackend extends CountingBackend {
  readonly origins = new Map<Sandbox, Origin>();
  readonly own = new Map<string, Origin>();
  #spare: Origin = { tenant: null, isOutdated: false };

  override makeSandbox(bootedFor: string | null): CountedSandbox {
    const made = super.makeSandbox(bootedFor);
    this.origins.set(made, bootedFor === null ? this.#spare : this.#ownOf(bootedFor));
    return made;
  }

  tenantOf(sandbox: Sandbox): string | null {
    return this.origins.get(sandbox)?.tenant ?? null;
  }

  adopt(sandbox: Sandbox, tenant: string): void {
    const origin = this.origins.get(sandbox);
    if (origin === undefined || origin.tenant !== null || this.own.has(tenant)) return;
    this.#give(origin, tenant);
  }

  isOutdated(sandbox: Sandbox): boolean {
    return this.origins.get(sandbox)?.isOutdated === true;
  }

  #ownOf(tenant: string): Origin {
    if (!this.own.has(tenant)) this.#give(this.#spare, tenant);
    return this.own.get(tenant) as Origin;
  }

  #give(origin: Origin, tenant: string): void {
    origin.tenant = tenant;
    this.own.set(tenant, origin);
    if (origin === this.#spare) this.#spare = { tenant: null, isOutdated: false };
  }
}
