// Makes the backends of this host and decides, once, which of them `auto` is.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { IsoError } from "../model/errors.js";
import type { FileOwner } from "../model/instance.js";
import { packageFile } from "../model/package-files.js";
import type { BackendContext, Check, HostUsers, SandboxBackend } from "../sandbox/backend.js";
import { createBackends } from "../sandbox/backends.js";
import { LeasedUsers, oneUser } from "../sandbox/host-users.js";
import { KnownFacts } from "../sandbox/known-facts.js";
import type { Settings } from "../settings/settings.js";
import type { WorkspaceStore } from "../workspace/store.js";
import { KnownChoice } from "./known-choice.js";
import type { Seams } from "./seams.js";

/** What `auto` became and why, in a sentence. */
export interface Choice {
  name: string;
  why: string;
}

/** How runs will be asked for. */
export interface Plans {
  /** Whether something is started ahead of need; it is where nothing is said. */
  startsAhead?: boolean;
  /** This process makes one run. It believes what an earlier one found out about this host, where a wrong belief costs time only. */
  isForOne?: boolean;
}

export interface HostBackend {
  name: string;
  usable: boolean;
  checks: Check[];
}

/** By then the launcher of a single run is started, and this process waits for it. */
const REAP_DELAY_MS = 20;
const RUNNER_DIR = packageFile("python");

export class BackendChooser {
  readonly #backends: Map<string, SandboxBackend>;
  readonly #store: WorkspaceStore;
  readonly #reaped = new Map<string, Promise<void>>();
  readonly #known: KnownChoice | null;
  readonly #isForOne: boolean;
  #choice: Promise<Choice> | null = null;

  constructor(
    settings: Settings,
    store: WorkspaceStore,
    further: readonly SandboxBackend[],
    seams: Seams = {},
    plans: Plans = {},
  ) {
    this.#store = store;
    this.#isForOne = plans.isForOne === true;
    const facts = plans.isForOne ? new KnownFacts(join(store.stateDir, "host-facts.json")) : null;
    this.#known = facts && new KnownChoice(facts, settings);
    this.#backends = createBackends({ ...backendContext(settings, store, seams), ...plans, ...(facts && { facts }) });
    for (const backend of further) this.#backends.set(backend.name, backend);
  }

  get names(): string[] {
    return [...this.#backends.keys()];
  }

  /** The backend of this name, its dead neighbours' leftovers removed before first use. Throws `sandbox_unavailable` when `auto` finds none. */
  async backend(name: string): Promise<SandboxBackend> {
    const backend = this.#backends.get(name === "auto" ? (await this.choice()).name : name);
    if (!backend) {
      throw new IsoError("invalid_request", `backend: "${name}" is not a backend`, {
        field: "backend",
        hint: `There are: auto, ${this.names.join(", ")}.`,
      });
    }
    const reaping = this.#reap(backend);
    // A single run does not wait for what others left: its own sandbox starts meanwhile, and the end waits.
    if (!this.#isForOne) await reaping;
    return backend;
  }

  choice(): Promise<Choice> {
    this.#choice ??= this.#choose();
    return this.#choice;
  }

  /**
   * Acts with the backend of this name, and why it is that one where we chose it. Where an earlier process had chosen it and no sandbox of
   * it could be had, acts again with what is chosen now.
   */
  async withBackend<T>(
    name: string,
    act: (backend: SandboxBackend, why: string | null) => Promise<T>,
    mayRepeat: () => boolean,
  ): Promise<T> {
    const attempt = async () => act(await this.backend(name), name === "auto" ? (await this.choice()).why : null);
    try {
      return await attempt();
    } catch (error) {
      const isRefused = name === "auto" && error instanceof IsoError && error.code === "sandbox_unavailable";
      if (!isRefused || !mayRepeat() || !(await this.#reconsider())) throw error;
      return await attempt();
    }
  }

  /** Whether another backend than the one we believed in is chosen now. */
  async #reconsider(): Promise<boolean> {
    const before = await this.choice();
    if (!this.#known?.forget()) return false;
    this.#choice = null;
    return (await this.choice()).name !== before.name;
  }

  /** Every backend with its checks: what `doctor` shows. */
  async inspect(): Promise<HostBackend[]> {
    const all = [...this.#backends.values()];
    return await Promise.all(all.map((backend) => this.#inspect(backend)));
  }

  /** One that works is also asked to clear up, as it would be before a first run. */
  async #inspect(backend: SandboxBackend): Promise<HostBackend> {
    const probe = await backend.probe();
    if (probe.usable) await this.#reap(backend);
    return { name: backend.name, ...probe };
  }

  async fix(onLine: (line: string) => void): Promise<void> {
    for (const backend of this.#backends.values()) await backend.fix?.(onLine);
  }

  async close(): Promise<void> {
    await Promise.all(this.#reaped.values());
    await Promise.allSettled([...this.#backends.values()].map((backend) => backend.close()));
  }

  async #choose(): Promise<Choice> {
    const known = this.#known?.get();
    if (known !== undefined && this.#backends.has(known)) return { name: known, why: whyChosen(known, []) };
    const refused: string[] = [];
    for (const backend of this.#backends.values()) {
      const probe = await backend.probe();
      // One that is best here stays so; another one gives way once what is better can be had.
      if (probe.usable && refused.length === 0) this.#known?.keep(backend.name);
      if (probe.usable) return { name: backend.name, why: whyChosen(backend.name, refused) };
      const failed = probe.checks.find((check) => check.status === "fail");
      refused.push(
        `${backend.name}: ${failed ? [failed.message, failed.fix].filter(Boolean).join(" Fix: ") : "not usable"}`,
      );
    }
    throw new IsoError("sandbox_unavailable", `No sandbox backend works on this host. ${refused.join(" | ")}`);
  }

  #reap(backend: SandboxBackend): Promise<void> {
    const known = this.#reaped.get(backend.name);
    if (known) return known;
    const begun = this.#isForOne ? sleep(REAP_DELAY_MS) : Promise.resolve();
    // Leftovers that cannot be removed now are tried again at the next start; they are no reason to refuse a run.
    const reaping = begun.then(() => backend.reap((id) => this.#store.isAlive(id))).catch(() => undefined);
    this.#reaped.set(backend.name, reaping);
    return reaping;
  }
}

function whyChosen(name: string, refused: string[]): string {
  return refused.length === 0
    ? `${name} is the best backend and works here`
    : `${name} works here; ${refused.join("; ")}`;
}

function backendContext(settings: Settings, store: WorkspaceStore, { runnerDir, without }: Seams): BackendContext {
  return {
    instance: store.instance,
    slotsDir: store.slotsDir,
    users: hostUsers(settings),
    runnerDir: runnerDir ?? RUNNER_DIR,
    ...(without !== undefined && { without }),
    python: settings.python,
    searchPath: settings.searchPath,
    docker: { host: settings.dockerHost, hostPathMap: settings.hostPathMap },
  };
}

function hostUsers(settings: Settings): HostUsers {
  const owner = fileOwner(settings);
  // Elsewhere than on Linux an engine maps the files of its machine to the caller's.
  const canLease = process.getuid?.() === 0 && process.platform === "linux";
  return canLease ? new LeasedUsers({ range: settings.sandboxUids, owner }) : oneUser(owner);
}

/** Whose the workspaces' files are: one unprivileged uid's where the caller is root, else the caller's. */
export function fileOwner(settings: Settings): FileOwner {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  return uid === 0 ? { uid: settings.sandboxUid, gid: settings.sandboxUid } : { uid, gid };
}
