// The library's runtime: takes requests, gives events and results, and turns every fault into a result. What runs share is the engine's.
import { setMaxListeners } from "node:events";
import { builtinBundleDir } from "../bundles/builtin.js";
import { type Bundle, checkBundle, followups, loadBundle } from "../bundles/bundle.js";
import { EventBus, type EventBusOptions } from "../comm/event-bus.js";
import { OutputBatch } from "../comm/output-batch.js";
import { IsoError, toIsoError } from "../model/errors.js";
import type { EventInput, RunEvent } from "../model/events.js";
import type { RunResult } from "../model/result.js";
import type { SandboxBackend } from "../sandbox/backend.js";
import { BACKEND_NAMES } from "../sandbox/backends.js";
import { processEnvironment } from "../settings/environment.js";
import { addProfiles, checkBackends, loadSettings, resolveProfile, type Settings } from "../settings/settings.js";
import { ToolSubsystem } from "../tools/subsystem.js";
import { type AcceptedRun, accept } from "./accept.js";
import { Engine } from "./engine.js";
import type { HostState } from "./host-state.js";
import { type Asked, askedFor } from "./kept-request.js";
import { checkOptions, type RuntimeOptions } from "./options.js";
import { type ReceiptLines, recentReceipt } from "./recent-receipt.js";
import type { RunRequest } from "./request.js";
import { rejectedResult, withInfra } from "./result.js";
import { run } from "./run.js";
import { cancelled, cleanResult, failedResult, notReached } from "./run-faults.js";
import type { HistoryOptions, RunHistory } from "./run-history.js";
import { RunReceipt } from "./run-receipt.js";
import type { Seams } from "./seams.js";
import { RunTrace } from "./trace.js";
import { Workspaces } from "./workspaces.js";

const DEFAULT_WARM = 2;

/** Loads settings, tools and bundle; throws IsoError for a fault in any of them. The roots are opened by the first accepted run. */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return await createSeamedRuntime(options, {});
}

/** For a process that makes one run and ends: nothing is loaded, made or booted that only a further run would have a use for. */
export async function createRuntimeForOneRun(options: RuntimeOptions): Promise<Runtime> {
  return await createSeamedRuntime({ ...options, warm: 0 }, {}, true);
}

/** The same for tests and the benchmark, which may leave layers out. */
export async function createSeamedRuntime(options: RuntimeOptions, seams: Seams, isForOne = false): Promise<Runtime> {
  checkOptions(options);
  const { backend, profile, python, config, workspaceRoot, sandboxRoot } = options;
  const settings = loadSettings({
    flags: { backend, profile, python, config, workspaceRoot, sandboxRoot },
    ...processEnvironment(),
  });
  const bundle = await chooseBundle(options, settings);
  if (bundle) addProfiles(settings, bundle.profiles, bundle.name);
  checkBackends(settings, backendNames(options));
  resolveProfile(settings, {}, backendNames(options));
  const tools = await chooseTools(options, settings, bundle);
  return new Runtime({ settings, bundle, tools, options, seams, isForOne });
}

async function chooseBundle(options: RuntimeOptions, settings: Settings): Promise<Bundle | null> {
  const bundle = options.bundle ?? settings.bundle;
  if (typeof bundle === "object" && bundle !== null) return checkBundle(bundle);
  if (bundle) return await loadBundle(bundle);
  const ownTools = options.tools ?? settings.toolsDescriptor;
  return ownTools ? null : await loadBundle(builtinBundleDir());
}

async function chooseTools(options: RuntimeOptions, settings: Settings, bundle: Bundle | null): Promise<ToolSubsystem> {
  const tools = options.tools ?? settings.toolsDescriptor ?? bundle?.tools ?? { tools: [] };
  return tools instanceof ToolSubsystem ? tools : await ToolSubsystem.create(tools);
}

/** A run that was accepted: its id and events at once, its result later. */
export interface TakenRun extends Pick<AcceptedRun, "runId" | "userId" | "turnId" | "mode"> {
  scenario: string | null;
  /** What may be kept of the request. */
  asked: Asked;
  /** All events, also for readers that come late. */
  events: EventBus;
  result: Promise<RunResult>;
}

/** Resolves when a run may begin; rejects with what keeps it from that, or with the signal's reason. */
export type TurnOf = (signal: AbortSignal) => Promise<void>;

export interface TakeOptions {
  /** Of its output, for readers that come late. */
  kept?: Pick<EventBusOptions, "headBytes" | "newestBytes">;
  turn?: TurnOf;
  /**
   * Writes the result down before anybody hears of it; what it throws costs no run its result. Given by who has the run on disk, under an id
   * that is new, before this tick is over: then nobody has to claim that.
   */
  keep?: ((result: RunResult) => void) | undefined;
  /** Cancels the run, in the place of the request's signal; aborted as well when the runtime closes. One signal costs a run less than two and their join. */
  cancel?: AbortController;
  /** Each field went through its schema before. */
  isShaped?: boolean;
}

/** What a run waits for before it begins, and what ends it. */
interface Waits extends Pick<TakeOptions, "turn" | "keep" | "cancel"> {
  callers: AbortSignal | undefined;
}

interface RuntimeParts {
  settings: Settings;
  bundle: Bundle | null;
  tools: ToolSubsystem;
  options: RuntimeOptions;
  seams: Seams;
  /** It makes one run. */
  isForOne: boolean;
}

export class Runtime implements AsyncDisposable {
  readonly settings: Settings;
  readonly bundle: Bundle | null;
  readonly tools: ToolSubsystem;
  /** Files and versions of the workspaces. */
  readonly workspaces: Workspaces;
  readonly #options: RuntimeOptions;
  readonly #seams: Seams;
  readonly #isForOne: boolean;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  /** Of runs under way that have their own. */
  readonly #cancels = new Set<AbortController>();
  #engine: Promise<Engine> | null = null;

  /** Made by `createRuntime`. */
  constructor({ settings, bundle, tools, options, seams, isForOne }: RuntimeParts) {
    this.settings = settings;
    this.bundle = bundle;
    this.tools = tools;
    this.#options = options;
    this.workspaces = new Workspaces(settings, async () => (await this.#opened()).store);
    this.#seams = seams;
    this.#isForOne = isForOne;
    // Every run under way listens to it, and stops listening at its end.
    setMaxListeners(0, this.#closing.signal);
  }

  /** The built-in backends, and those it was given. */
  get backendNames(): string[] {
    return backendNames(this.#options);
  }

  /** Runs one request to its end. Resolves with a result for every ending and every bad request; rejects only after `close` or for a non-object. */
  async run(request: RunRequest): Promise<RunResult> {
    return await this.#start(request, new EventBus({ isLive: false }));
  }

  /** The same run as its live events, ended by `run.finished`. Leaving the loop early cancels the run. */
  async *stream(request: RunRequest): AsyncGenerator<RunEvent, void, undefined> {
    const left = new AbortController();
    const bus = new EventBus();
    const running = this.#start(leaving(request, left.signal), bus);
    // A rejection is told below; without events there would be nobody to end the loop.
    running.catch(() => bus.close());
    try {
      yield* bus.events();
    } finally {
      left.abort();
      await running;
    }
  }

  /** Starts a run, when `turn` resolves, that others will ask for by its id. Throws IsoError for a request that is none; what happens later is its result. */
  take(
    request: RunRequest,
    { kept, turn = async () => undefined, keep, cancel, isShaped }: TakeOptions = {},
  ): TakenRun {
    this.#checkOpen();
    const startedAt = performance.now();
    const fields = copyOf(request);
    const accepted = accept(fields, this.#acceptContext(), isShaped);
    const { runId, userId, turnId, mode, scenario } = accepted;
    const events = new EventBus(kept);
    events.open(runId);
    const waits = { callers: fields.signal, turn, keep, ...(cancel && { cancel }) };
    if (cancel) this.#cancels.add(cancel);
    const result = this.#track(this.#finish(this.#perform(accepted, waits, events, startedAt), events));
    const asked = askedFor(fields, accepted.redaction);
    return { runId, userId, turnId, mode, scenario: scenario?.id ?? null, asked, events, result };
  }

  /** The result of a run that had an id of its caller's own, in this process or one before; null where there is none. */
  async resultOf(userId: string, runId: string): Promise<RunResult | null> {
    return await (await this.#opened()).once.find(userId, runId);
  }

  /** The runs that a service keeps. Whoever opens it closes it, before the runtime. */
  async openHistory({ keep, log }: Pick<HistoryOptions, "keep" | "log">): Promise<RunHistory> {
    // Loaded by who keeps runs: a command has one, and its database takes longer to load than the run.
    const [{ RunHistory: History }, { store }] = await Promise.all([import("./run-history.js"), this.#opened()]);
    const owner = { id: store.instance.id, isAlive: (id: string) => store.isAlive(id) };
    const turn = () => store.turn("history");
    return await History.open({ stateDir: store.stateDir, owner, turn, log, ...(keep && { keep }) });
  }

  /** Boots sandboxes for a profile ahead of the first run. */
  async warm(profile?: string): Promise<void> {
    const accepted = accept(
      { userId: "warm", code: "", ...(profile !== undefined && { profile }) },
      this.#acceptContext(),
    );
    const { pool, chooser } = await this.#opened();
    await pool.warm(await chooser.backend(accepted.profile.backend), accepted.profile);
  }

  /** What waits, boots and is in use; null while nothing was opened for runs. */
  async hostState(): Promise<HostState | null> {
    const engine = await this.#engine?.catch(() => null);
    if (!engine) return null;
    const chosen = await engine.chooser.choice().catch(() => null);
    return { pool: engine.pool.counts(), chosen };
  }

  /** What the root's journal has of a user's run; null where that lies further back than is looked. */
  async receiptOf(userId: string, runId: string): Promise<ReceiptLines | null> {
    return await recentReceipt((await this.#opened()).store.stateDir, userId, runId);
  }

  /** Cancels what runs, ends every sandbox, releases the roots. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new IsoError("cancelled", "The runtime was closed."));
    for (const cancel of this.#cancels) cancel.abort(this.#closing.signal.reason);
    await Promise.allSettled([...this.#underWay]);
    const engine = this.#engine;
    this.#engine = null;
    if (!engine) return;
    await (await engine.catch(() => null))?.close();
    await this.tools.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(request: RunRequest, bus: EventBus): Promise<RunResult> {
    try {
      this.#checkOpen();
      if (typeof request !== "object" || request === null || Array.isArray(request)) {
        throw new TypeError("a request must be an object");
      }
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#track(this.#finish(this.#attempt(request, bus), bus));
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new IsoError("invalid_request", "the runtime is closed");
  }

  #track(work: Promise<RunResult>): Promise<RunResult> {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work)).catch(() => undefined);
    return work;
  }

  async #finish(work: Promise<RunResult>, bus: EventBus): Promise<RunResult> {
    const result = await work;
    bus.open(result.runId);
    bus.emit({ type: "run.finished", result });
    return result;
  }

  async #attempt(request: RunRequest, bus: EventBus): Promise<RunResult> {
    const startedAt = performance.now();
    let fields: Partial<RunRequest> = {};
    let accepted: AcceptedRun;
    try {
      fields = copyOf(request);
      accepted = accept(fields, this.#acceptContext());
    } catch (error) {
      return rejectedResult(fields, error);
    }
    return await this.#perform(accepted, { callers: fields.signal }, bus, startedAt);
  }

  async #perform(accepted: AcceptedRun, waits: Waits, bus: EventBus, startedAt: number): Promise<RunResult> {
    const trace = RunTrace.begin(accepted, startedAt);
    let result: RunResult;
    try {
      const engine = await this.#opened();
      const start = () => this.#execute(engine, accepted, waits, bus, trace);
      result = await (waits.keep ? kept(await start(), waits.keep) : engine.once.run(accepted, start));
    } catch (error) {
      result = failedResult(accepted, error);
    }
    if (waits.cancel) this.#cancels.delete(waits.cancel);
    trace?.end(result);
    return result;
  }

  async #execute(
    engine: Engine,
    accepted: AcceptedRun,
    { callers, turn, cancel }: Waits,
    bus: EventBus,
    trace: RunTrace | null,
  ): Promise<RunResult> {
    // One that joins others is never forgotten by those that live on, as the runtime's own does: only where there are two.
    const closing = this.#closing.signal;
    const signal = cancel?.signal ?? (callers ? AbortSignal.any([closing, callers]) : closing);
    const { runId, userId, turnId, mode, scenario } = accepted;
    bus.open(runId);
    const batch = new OutputBatch((event) => void bus.emit(event));
    const { redaction } = accepted;
    // Output is clean as it comes, word by word.
    const emit = (event: EventInput) => batch.emit(event.type === "output" ? event : redaction.value(event));
    const receipt = new RunReceipt(engine.receipts, accepted, this.tools.table, emit);
    let result: RunResult;
    let workspace: RunResult["workspace"] | null = null;
    try {
      const { name, backend: wanted } = accepted.profile;
      await engine.chooser.backend(wanted);
      signal.throwIfAborted();
      bus.emit({ type: "run.accepted", userId, turnId, mode, scenario: scenario?.id ?? null });
      const own = { tools: this.tools, receipt, turn, isLive: bus.isLive, trace };
      const tell = (event: EventInput) => {
        if (event.type === "run.started") workspace = notReached(accepted);
        if (event.type === "workspace.synced") workspace = event.workspace;
        emit(event);
      };
      const act = (backend: SandboxBackend, chosen: string | null) => {
        const why = chosen ?? `as the profile "${name}" or the caller said`;
        return run(accepted, { ...engine, ...own, backend, why }, tell, signal);
      };
      const isUntouched = () => workspace === null && !signal.aborted;
      result = await engine.chooser.withBackend(wanted, act, isUntouched);
    } catch (error) {
      result = failedResult(accepted, signal.aborted ? cancelled(error) : error);
      if (workspace !== null) result = { ...result, workspace };
    }
    batch.flush();
    if (scenario && this.bundle) bus.emit({ type: "comm.followups", followups: followups(this.bundle) });
    result = cleanResult(result, redaction);
    const { labels, env, progName } = accepted;
    try {
      const given = { labels: redaction.variables(labels), envNames: Object.keys(env), progName };
      engine.history.append(result, given);
    } catch (error) {
      const why = toIsoError(error).message;
      result = withInfra(result, "runtime", [`this run has no line in history.jsonl: ${why}`]);
    }
    return await receipt.ended(result);
  }

  #opened(): Promise<Engine> {
    const { warm = DEFAULT_WARM, warmMemory = null, backends = [] } = this.#options;
    const given = { warm, warmMemory, backends, seams: this.#seams, isForOne: this.#isForOne };
    this.#engine ??= Engine.open(this.settings, given).catch((error) => {
      this.#engine = null;
      throw error;
    });
    return this.#engine;
  }

  #acceptContext() {
    return { settings: this.settings, bundle: this.bundle, backendNames: backendNames(this.#options) };
  }
}

/** The request with one more signal to end it. What is no request, or has no signal, is the start's to refuse. */
function leaving(request: RunRequest, left: AbortSignal): RunRequest {
  if (typeof request !== "object" || request === null || Array.isArray(request)) return request;
  const own = request.signal ?? left;
  return own instanceof AbortSignal ? { ...request, signal: AbortSignal.any([left, own]) } : request;
}

const backendNames = ({ backends = [] }: RuntimeOptions): string[] => [
  ...BACKEND_NAMES,
  ...backends.map(({ name }) => name),
];

/** Read once, as a field may be a getter of the caller's own. */
function copyOf(request: RunRequest): Partial<RunRequest> {
  try {
    return { ...request };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new IsoError("invalid_request", `request: a field cannot be read: ${reason}`, {
      field: "request",
      cause: error,
    });
  }
}

function kept(result: RunResult, keep: (result: RunResult) => void): RunResult {
  try {
    keep(result);
  } catch {
    // What ran has run. Whoever took it knows the result for as long as this process lives, and tries again.
  }
  return result;
}
