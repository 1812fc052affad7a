// The runs that a service took: found by user and id while they run and for a while after, with their events kept for whoever comes late.
// Memory is bounded: of the finished ones the oldest go first, and their results stay on disk.
import { setImmediate } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import type { EventBus } from "../comm/event-bus.js";
import { IsoError, toIsoError } from "../model/errors.js";
import { KiB, MiB } from "../model/limits.js";
import type { RunResult } from "../model/result.js";
import { shownText } from "../model/result-text.js";
import type { RequestKeyRecord } from "../records/run-files.js";
import { checkUserId } from "../workspace/user-dir.js";
import { Admission, queueLimits } from "./admission.js";
import type { Place } from "./fair-queue.js";
import { timeOfId } from "./past-events.js";
import { type AskedRun, PastRun, type RunState, same } from "./past-run.js";
import type { RunRequest } from "./request.js";
import { errorOf, rejectedResult } from "./result.js";
import { digestOf, type RunHistory } from "./run-history.js";
import type { Runtime, TakenRun } from "./runtime.js";
import type { StorageQuota } from "./storage-quota.js";

/** Of each run's output, for readers that come late. */
const KEPT_OUTPUT = { headBytes: 256 * KiB, newestBytes: MiB };
const DEFAULT_BOUNDS: RegistryBounds = { finished: 1000, finishedBytes: 256 * MiB };

export interface RegistryBounds {
  /** Finished runs that are remembered, by number and by what they cost. */
  readonly finished: number;
  readonly finishedBytes: number;
}

export interface RegistryOptions {
  bounds?: Partial<RegistryBounds>;
  onFinished?: (result: RunResult) => void;
  admission?: Admission;
  /** Asked when a run's turn has come, and told when the run has ended. */
  storage?: Pick<StorageQuota, "check" | "changed">;
  history?: RunHistory | null;
}

export interface KeptRun extends AskedRun {
  readonly events: EventBus;
}

/** A key by which the same request, sent again, is the same run. */
export interface RequestKey {
  readonly key: string;
  /** What was asked for, byte for byte. */
  readonly body: string;
}

/** What a registry needs of a runtime. */
export type RunTaker = Pick<Runtime, "take" | "resultOf">;

export class RunRegistry {
  readonly #runtime: RunTaker;
  readonly #bounds: RegistryBounds;
  /** In the order they were taken. */
  readonly #runs = new Map<string, Entry>();
  readonly #finished = new Set<Entry>();
  readonly #byKey = new Map<string, { entry: Entry; fingerprint: string }>();
  /** Runs that were taken a moment ago, and what writes each down. */
  readonly #unwritten = new Map<Entry, () => void>();
  readonly #onFinished: (result: RunResult) => void;
  readonly #storage: RegistryOptions["storage"];
  /** Who is taken, and when each has its turn. */
  readonly admission: Admission;
  /** Null where nothing outlives this process but results. */
  readonly #history: RunHistory | null;
  #finishedBytes = 0;
  #closed = false;

  constructor(runtime: RunTaker, options: RegistryOptions = {}) {
    this.#runtime = runtime;
    this.#bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
    this.#onFinished = options.onFinished ?? (() => undefined);
    this.#storage = options.storage;
    this.admission = options.admission ?? new Admission({ queue: queueLimits(), rate: null });
    this.#history = options.history ?? null;
  }

  /**
   * Throws IsoError for a request at fault, `conflict` for a key that was used for another one, `too_busy` and `shutting_down`. The run is
   * on disk then, but where its caller `waits` and hears nothing of it before its end: that one is written down while its sandbox works.
   * `isShaped` as the runtime has it.
   */
  start(
    request: Omit<RunRequest, "runId" | "signal">,
    again: RequestKey | null = null,
    { waits = false, isShaped = false } = {},
  ): AskedRun {
    const key = again && JSON.stringify([request.userId, again.key]);
    const fingerprint = again === null ? "" : digestOf(again.body);
    const known = key === null ? undefined : this.#byKey.get(key);
    if (known !== undefined) return same(known.fingerprint === fingerprint, known.entry);
    const stored = again && { digest: digestOf(again.key), fingerprint };
    const earlier = stored && (this.#history?.earlier(request.userId, stored.digest) ?? null);
    if (earlier !== null) return same(earlier.fingerprint === fingerprint, new PastRun(earlier));
    if (this.#closed) throw new IsoError("shutting_down", "The service is stopping and takes no more runs.");
    const place = this.admission.enter(request);
    let isClaimed = false;
    try {
      const runId = uuidv7();
      const others = stored && (this.#history?.claimKey(request.userId, stored, runId) ?? null);
      if (others !== null) {
        place.leave();
        return same(others.fingerprint === fingerprint, new PastRun(others));
      }
      isClaimed = stored !== null;
      const entry = this.#take({ ...request, runId }, { key, stored, place, waits, isShaped });
      if (key !== null) this.#byKey.set(key, { entry, fingerprint });
      return entry;
    } catch (error) {
      place.leave();
      if (isClaimed && stored !== null) this.#history?.dropKey(request.userId, stored.digest);
      throw error;
    }
  }

  /** Writes down every run that was taken: nobody is told of one that a crash would make unheard of. */
  #tellable(): void {
    for (const [entry, record] of this.#unwritten) {
      this.#unwritten.delete(entry);
      try {
        record();
      } catch (error) {
        // Nothing of it was told to anybody; its caller hears why it came to nothing.
        entry.fail(error);
      }
    }
  }

  /** Throws `not_found` where this user has no such run, whoever else may have it. */
  get(userId: string, runId: string): KeptRun {
    return this.#entry(userId, runId);
  }

  /** The same, or null. */
  find(userId: string, runId: string): KeptRun | null {
    checkUserId(userId);
    this.#tellable();
    const entry = this.#runs.get(runId);
    return entry?.userId === userId ? entry : null;
  }

  /** The result of a run that is remembered no more, or was a process's before this one; null where the user had none of that id. */
  async earlier(userId: string, runId: string): Promise<RunResult | null> {
    checkUserId(userId);
    // One that has an id of its caller's own may be no service's.
    return (await this.#history?.result(userId, runId)) ?? (await this.#runtime.resultOf(userId, runId));
  }

  /** Newest first, from below `before` on. */
  list(userId: string, { before, limit }: { before?: string | undefined; limit: number }): KeptRun[] {
    checkUserId(userId);
    this.#tellable();
    const theirs = [...this.#runs.values()].filter((entry) => entry.userId === userId);
    const ids = theirs.sort((a, b) => (a.runId < b.runId ? 1 : -1));
    return ids.filter(({ runId }) => before === undefined || runId < before).slice(0, limit);
  }

  /** Asks a run to end; one that has ended stays as it is. */
  cancel(userId: string, runId: string): KeptRun {
    const entry = this.#entry(userId, runId);
    entry.cancel("The caller cancelled the run.");
    return entry;
  }

  get underWay(): number {
    return this.#runs.size - this.#finished.size;
  }

  /** How many runs are in each state that is no end. */
  counts(): Record<RunState, number> {
    const counts = { queued: 0, running: 0, waiting: 0 };
    for (const { result, state } of this.#runs.values()) if (result === null) counts[state] += 1;
    return counts;
  }

  /** Takes no more runs. */
  close(): void {
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.underWay > 0) {
      await Promise.all([...this.#runs.values()].filter(({ result }) => result === null).map(({ ended }) => ended));
    }
  }

  #entry(userId: string, runId: string): Entry {
    const entry = this.find(userId, runId);
    if (entry instanceof Entry) return entry;
    throw new IsoError("not_found", "There is no such run of this user.", {
      field: "runId",
      hint: "GET /v1/runs lists those that are remembered.",
    });
  }

  #take(request: Omit<RunRequest, "signal">, { key, stored, place, waits, isShaped }: Taking): Entry {
    const cancel = new AbortController();
    const turn = async (signal: AbortSignal) => {
      // It begins where another one has just ended: what came for the others meanwhile goes first.
      if (await place.turn(signal)) await setImmediate();
      // A run that keeps nothing needs no room.
      if (request.workspace !== null) await this.#storage?.check(request.userId);
    };
    // An id of our own making that the runtime takes for the caller's: so its result is written down, and found after a restart.
    const history = this.#history;
    const keep = (result: RunResult) => {
      this.#tellable();
      // Of a run that cannot be written down no part is: it would be found without what was asked for.
      if (!entry.isFaulty) history?.keepResult(result);
    };
    const options = { kept: KEPT_OUTPUT, turn, cancel, keep: history ? keep : undefined, isShaped };
    const taken = this.#runtime.take(request, options);
    const entry = new Entry(taken, cancel, key);
    const record = () => {
      const { runId, userId, turnId, mode, scenario, acceptedAt } = entry;
      const { asked, events } = taken;
      history?.accepted({ runId, userId, turnId, mode, scenario, acceptedAt, key: stored, asked }, events);
    };
    // One with a key may be asked for again by somebody who does not wait.
    if (waits && stored === null) {
      this.#unwritten.set(entry, record);
      void setImmediate().then(() => this.#tellable());
    } else {
      try {
        record();
      } catch (error) {
        entry.cancel("It cannot be written down.");
        throw error;
      }
    }
    this.#runs.set(entry.runId, entry);
    void entry.ended.then((result) => {
      // Before the next one's turn, which looks at the storage.
      this.#storage?.changed(request);
      place.leave();
      this.#ended(entry, result);
    });
    return entry;
  }

  #ended(entry: Entry, result: RunResult): void {
    this.#onFinished(result);
    this.#history?.ended(result, entry.events);
    this.#finished.add(entry);
    this.#finishedBytes += entry.bytes;
    for (const oldest of this.#finished) {
      const isMore = this.#finished.size > this.#bounds.finished || this.#finishedBytes > this.#bounds.finishedBytes;
      // The one that has just ended stays: somebody waits for its events.
      if (!isMore || oldest === entry) break;
      this.#finished.delete(oldest);
      this.#finishedBytes -= oldest.bytes;
      this.#runs.delete(oldest.runId);
      if (oldest.key !== null) this.#byKey.delete(oldest.key);
    }
  }
}

interface Taking {
  key: string | null;
  stored: RequestKeyRecord | null;
  place: Place;
  waits: boolean;
  isShaped: boolean;
}

class Entry implements KeptRun {
  readonly runId: string;
  readonly userId: string;
  readonly turnId: string;
  readonly mode: RunResult["mode"];
  readonly scenario: string | null;
  readonly acceptedAt: string;
  readonly events: EventBus;
  readonly ended: Promise<RunResult>;
  readonly key: string | null;
  readonly #cancel: AbortController;
  #fault: unknown = null;
  result: RunResult | null = null;
  /** What is kept of it, about; known at its end. */
  bytes = 0;

  constructor(taken: TakenRun, cancel: AbortController, key: string | null) {
    ({
      runId: this.runId,
      userId: this.userId,
      turnId: this.turnId,
      mode: this.mode,
      scenario: this.scenario,
      events: this.events,
    } = taken);
    this.acceptedAt = timeOfId(this.runId) ?? "";
    this.#cancel = cancel;
    this.key = key;
    // A run that cannot even fail would be under way for ever.
    this.ended = taken.result
      .then((result) => (this.#fault === null ? result : failed(result, this.#fault)))
      .catch((error) => rejectedResult({ runId: this.runId, userId: this.userId, turnId: this.turnId }, error))
      .then((result) => {
        this.events.close();
        this.result = result;
        this.bytes = shownText(result).length * 4 + this.events.outputBytes + toolBytes(this.events);
        return result;
      });
  }

  /** Looked up when it is asked for: whoever subscribes has every word of output made into text. */
  get state(): RunState {
    let isStarted = false;
    let toolsAtWork = 0;
    for (const { type } of this.events.notable()) {
      if (type === "run.started") isStarted = true;
      if (type === "tool.called") toolsAtWork += 1;
      if (type === "tool.returned") toolsAtWork -= 1;
    }
    if (!isStarted) return "queued";
    return toolsAtWork > 0 ? "waiting" : "running";
  }

  /** Ends it, with this as its result. */
  fail(fault: unknown): void {
    this.#fault = fault;
    this.cancel("It cannot be written down.");
  }

  get isFaulty(): boolean {
    return this.#fault !== null;
  }

  cancel(why: string): void {
    this.#cancel.abort(new IsoError("cancelled", why));
  }
}

/** With all that is true of it: before the fault was found its program may have begun. */
function failed(result: RunResult, fault: unknown): RunResult {
  return { ...result, ok: false, status: "failed", error: errorOf(toIsoError(fault)) };
}

/** Parameters may be large, and a result may have fewer of them. */
function toolBytes(events: EventBus): number {
  let bytes = 0;
  for (const event of events.notable()) if (event.type === "tool.called") bytes += JSON.stringify(event).length * 2;
  return bytes;
}
