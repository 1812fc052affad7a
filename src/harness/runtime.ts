// The library's runtime: holds what outlives a run (store, backends, pool, tools) and turns every fault into a result.
import { builtinBundleDir } from "../bundles/builtin.js";
import { type Bundle, followups, loadBundle } from "../bundles/bundle.js";
import { EventBus } from "../comm/event-bus.js";
import { IsoError, toIsoError } from "../model/errors.js";
import type { RunEvent } from "../model/events.js";
import type { RunResult } from "../model/result.js";
import { History } from "../records/history.js";
import { RunIds } from "../records/run-ids.js";
import type { SandboxBackend } from "../sandbox/backend.js";
import { SandboxPool } from "../sandbox/pool.js";
import {
  addProfiles,
  type ConfigInput,
  loadSettings,
  processEnvironment,
  type Settings,
} from "../settings/settings.js";
import type { ToolDescriptor, ToolSubsystem } from "../tools/subsystem.js";
import { WorkspaceStore } from "../workspace/store.js";
import { type AcceptedRun, accept } from "./accept.js";
import { BackendChooser, fileOwner } from "./backend-chooser.js";
import { Once } from "./once.js";
import type { RunRequest } from "./request.js";
import { blankResult, errorOf, rejectedResult } from "./result.js";
import { run } from "./run.js";

export interface RuntimeOptions {
  /** A tools descriptor: a file, an object, or a loaded subsystem. Without it and without `bundle`, the built-in bundle's. */
  tools?: string | ToolDescriptor | ToolSubsystem;
  /** A bundle's folder, or a loaded bundle. */
  bundle?: string | Bundle;
  /** Name of the profile of runs that name none. */
  profile?: string;
  backend?: string;
  python?: string;
  workspaceRoot?: string;
  sandboxRoot?: string;
  /** A config file, or its content. */
  config?: string | ConfigInput;
  /** How many sandboxes wait ready for each profile in use; default 2, 0 boots each when it is asked for. */
  warm?: number;
  /** Further backends beside the built-in ones, best first; a profile or `backend` names them. */
  backends?: SandboxBackend[];
}

const DEFAULT_WARM = 2;

/** Opens the roots, mends what a dead process left there, loads tools and bundle. Throws IsoError for a fault in any of them. */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const settings = loadSettings({
    flags: {
      ...{ backend: options.backend, profile: options.profile, python: options.python, config: options.config },
      ...{ workspaceRoot: options.workspaceRoot, sandboxRoot: options.sandboxRoot },
    },
    ...processEnvironment(),
  });
  const bundle = await chooseBundle(options, settings);
  if (bundle) addProfiles(settings, bundle.profiles, bundle.name);
  const tools = await chooseTools(options, settings, bundle);
  const owner = fileOwner(settings);
  const store = await WorkspaceStore.open({
    workspaceRoot: settings.workspaceRoot,
    sandboxRoot: settings.sandboxRoot,
    owner,
  });
  return new Runtime({ settings, bundle, tools, store, options });
}

async function chooseBundle(options: RuntimeOptions, settings: Settings): Promise<Bundle | null> {
  const bundle = options.bundle ?? settings.bundle;
  if (typeof bundle === "object" && bundle !== null) return bundle;
  if (bundle) return await loadBundle(bundle);
  const ownTools = options.tools ?? settings.toolsDescriptor;
  return ownTools ? null : await loadBundle(builtinBundleDir());
}

async function chooseTools(options: RuntimeOptions, settings: Settings, bundle: Bundle | null): Promise<ToolSubsystem> {
  const tools = options.tools ?? settings.toolsDescriptor ?? bundle?.tools ?? { tools: [] };
  return tools instanceof ToolSubsystem ? tools : await ToolSubsystem.create(tools);
}

interface RuntimeParts {
  settings: Settings;
  bundle: Bundle | null;
  tools: ToolSubsystem;
  store: WorkspaceStore;
  options: RuntimeOptions;
}

export class Runtime implements AsyncDisposable {
  readonly settings: Settings;
  readonly bundle: Bundle | null;
  readonly tools: ToolSubsystem;
  readonly #store: WorkspaceStore;
  readonly #chooser: BackendChooser;
  readonly #pool: SandboxPool;
  readonly #once: Once;
  readonly #history: History;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor({ settings, bundle, tools, store, options }: RuntimeParts) {
    this.settings = settings;
    this.bundle = bundle;
    this.tools = tools;
    this.#store = store;
    this.#chooser = new BackendChooser(settings, store, options.backends ?? []);
    this.#pool = new SandboxPool(options.warm ?? DEFAULT_WARM);
    this.#history = new History(store.stateDir);
    this.#once = new Once(new RunIds(store.stateDir, { id: store.instance.id, isAlive: (id) => store.isAlive(id) }));
  }

  /** Runs one request to its end. Resolves with a result for every ending and every bad request; rejects only after `close` or for a non-object. */
  async run(request: RunRequest): Promise<RunResult> {
    return await this.#start(request, new EventBus());
  }

  /** The same run as its live events, ended by `run.finished`. Leaving the loop early cancels the run. */
  async *stream(request: RunRequest): AsyncGenerator<RunEvent, void, undefined> {
    const left = new AbortController();
    const signals = [left.signal, ...(request?.signal ? [request.signal] : [])];
    const bus = new EventBus();
    const running = this.#start({ ...request, signal: AbortSignal.any(signals) }, bus);
    running.catch(() => undefined);
    try {
      yield* bus.events();
    } finally {
      left.abort();
      await running;
    }
  }

  /** Boots sandboxes for a profile ahead of the first run. */
  async warm(profile?: string): Promise<void> {
    const accepted = accept({ userId: "warm", code: "", profile }, this.#acceptContext());
    await this.#pool.warm(await this.#chooser.backend(accepted.profile.backend), accepted.profile);
  }

  /** Cancels what runs, ends every sandbox, releases the roots. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#underWay]);
    await this.#pool.close();
    await this.#chooser.close();
    await this.tools.close();
    await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(request: RunRequest, bus: EventBus): Promise<RunResult> {
    if (this.#closing.signal.aborted) return Promise.reject(new IsoError("invalid_request", "the runtime is closed"));
    if (typeof request !== "object" || request === null || Array.isArray(request)) {
      return Promise.reject(new TypeError("a request must be an object"));
    }
    const work = this.#finish(request, bus);
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work)).catch(() => undefined);
    return work;
  }

  async #finish(request: RunRequest, bus: EventBus): Promise<RunResult> {
    const result = await this.#attempt(request, bus);
    bus.open(result.runId);
    bus.emit({ type: "run.finished", result });
    if (result.status !== "rejected") await this.#history.append(result).catch(() => undefined);
    return result;
  }

  async #attempt(request: RunRequest, bus: EventBus): Promise<RunResult> {
    let accepted: AcceptedRun;
    try {
      accepted = accept({ ...request }, this.#acceptContext());
    } catch (error) {
      return rejectedResult(request, error);
    }
    try {
      return await this.#once.run(accepted, () => this.#execute(accepted, request.signal, bus));
    } catch (error) {
      return failedResult(accepted, error);
    }
  }

  #acceptContext() {
    return { settings: this.settings, bundle: this.bundle, backendNames: this.#chooser.names };
  }

  async #execute(accepted: AcceptedRun, callers: AbortSignal | undefined, bus: EventBus): Promise<RunResult> {
    const signal = AbortSignal.any([this.#closing.signal, ...(callers ? [callers] : [])]);
    const { runId, userId, turnId, mode, scenario } = accepted;
    bus.open(runId);
    const emit = bus.emit.bind(bus);
    try {
      const backend = await this.#chooser.backend(accepted.profile.backend);
      signal.throwIfAborted();
      emit({ type: "run.accepted", userId, turnId, mode, scenario: scenario?.id ?? null });
      const result = await run(
        accepted,
        { store: this.#store, pool: this.#pool, tools: this.tools, backend },
        emit,
        signal,
      );
      if (scenario && this.bundle) emit({ type: "comm.followups", followups: followups(this.bundle) });
      return result;
    } catch (error) {
      if (signal.aborted && !(error instanceof IsoError && error.code !== "cancelled")) {
        return failedResult(accepted, new IsoError("cancelled", "The caller cancelled the run before it started."));
      }
      return failedResult(accepted, error);
    }
  }
}

function failedResult(accepted: AcceptedRun, thrown: unknown): RunResult {
  const error = toIsoError(thrown);
  const blank = {
    ...blankResult(accepted),
    mode: accepted.mode,
    scenario: accepted.scenario?.id ?? null,
    error: errorOf(error),
  };
  if (error.code === "cancelled") return { ...blank, status: "cancelled" };
  const ours = error.code === "sandbox_unavailable" || error.code === "internal";
  return { ...blank, status: ours ? "failed" : "rejected" };
}
