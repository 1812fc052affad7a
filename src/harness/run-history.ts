// The runs of a service, before and after a restart. What must not be lost is a file before anybody hears of it: what was asked for when
// the run is taken, the result when it ends. Events and the index follow behind, one run after another, off every run's way.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { EventBus } from "../comm/event-bus.js";
import { IsoError, toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { isDamage } from "../records/database.js";
import {
  placeOf,
  REQUEST_SCHEMA,
  type RequestKeyRecord,
  RunFiles,
  type RunPlace,
  type RunRecord,
} from "../records/run-files.js";
import type { RunIdOwner } from "../records/run-ids.js";
import { type IndexQuery, type IndexRow, RunIndex, type UsageRow } from "../records/run-index.js";
import { UsageBook } from "../records/usage-book.js";
import { pacer } from "../safefs/pace.js";
import { checkUserId } from "../workspace/user-dir.js";
import { HistoryWriter } from "./history-writer.js";
import type { Asked } from "./kept-request.js";
import { interruptedResult } from "./once.js";
import { type PastEvents, pastEvents } from "./past-events.js";
import { DEFAULT_RETENTION, Retention, type RetentionLimits } from "./retention.js";
import { ToldEvents } from "./told-events.js";

/** Between two looks whether a run of another process has ended. */
const LOOK_MS = 250;
/** Half of how much of a run's last words a dead process may take with it. A run that is younger leaves none. */
const TELL_MS = 500;
export interface HistoryOptions {
  /** The workspace root's `.iso-runtime`. */
  stateDir: string;
  owner: RunIdOwner;
  /** Waits until no other process of this root cleans up. */
  turn(): Promise<{ release(): void }>;
  keep?: Partial<RetentionLimits>;
  /** A line for the operator. */
  log: (line: string) => void;
}

/** A run as it was taken, whatever became of it. */
export type TakenRecord = Omit<RunRecord, "schema" | "owner" | "request" | "cut"> & { asked: Asked };

export class RunHistory {
  readonly #files: RunFiles;
  readonly #index: RunIndex;
  readonly #usage: UsageBook;
  readonly #owner: RunIdOwner;
  readonly #log: (line: string) => void;
  readonly #retention: Retention;
  readonly #writer: HistoryWriter;
  /** Of the runs that are under way here. */
  readonly #underWay = new Map<string, { record: RunRecord; told: ToldEvents; since: number }>();
  readonly #telling: NodeJS.Timeout;
  #repairing: Promise<void> | null = null;
  #isStopping = false;
  #isClosed = false;

  private constructor({ stateDir, owner, turn, keep, log }: HistoryOptions) {
    this.#files = new RunFiles(stateDir, owner);
    this.#index = new RunIndex(join(stateDir, "history.db"));
    this.#usage = new UsageBook(join(stateDir, "usage.db"), (why) =>
      log(`what users used with runs that are kept no more is lost, and counts from now: ${why}`),
    );
    this.#owner = owner;
    this.#log = log;
    const parts = { files: this.#files, index: this.#index, usage: this.#usage, turn, log };
    const { files, index } = parts;
    this.#writer = new HistoryWriter({
      ...{ files, index, log, onDamage: (error: unknown) => this.#repair(error) },
      isBusy: () => this.#underWay.size > 0,
    });
    this.#telling = setInterval(() => void this.#tell(), TELL_MS).unref();
    this.#retention = new Retention(parts, { ...DEFAULT_RETENTION, ...keep });
  }

  /** Finds what a process before this one left: runs that are in no index, and runs that died with it. */
  static async open(options: HistoryOptions): Promise<RunHistory> {
    const history = new RunHistory(options);
    const { damage } = history.#index;
    if (damage !== null) options.log(`the history's index is made anew: ${damage}`);
    try {
      await history.#files.clearSpares();
      await history.#retention.finishLeaving();
      await history.#reconcile();
    } catch (error) {
      await history.close();
      throw error;
    }
    history.#retention.start();
    return history;
  }

  /** Writes down that the run was taken; from here on it is never forgotten, only too old. Throws where it cannot be written. */
  accepted({ asked, ...taken }: TakenRecord, events: EventBus): void {
    const record: RunRecord = { schema: REQUEST_SCHEMA, ...taken, owner: this.#owner.id, ...asked };
    this.#files.accept(record);
    this.#underWay.set(record.runId, {
      record,
      told: new ToldEvents(this.#files, record, events),
      since: performance.now(),
    });
    this.#writer.add({ record, ended: null });
  }

  /** Before anybody hears of it. Throws where it cannot be written; then `ended` does it later. */
  keepResult(result: RunResult): void {
    this.#files.putResult(result);
  }

  /** The result is on disk already, where it could be written. */
  ended(result: RunResult, events: EventBus): void {
    const { userId, runId } = result;
    const record = this.#underWay.get(runId)?.record;
    if (record?.userId !== userId) return;
    this.#underWay.delete(runId);
    this.#writer.add({ record, ended: { result, events } });
  }

  /** Null for a run that is under way, or that this user never had. */
  async result(userId: string, runId: string): Promise<RunResult | null> {
    const found = this.#files.result(userId, runId);
    if (found !== null) return found;
    const record = this.#files.record(userId, runId);
    if (record === null || (await this.#isUnderWay(record))) return null;
    return this.#interrupt(record);
  }

  /** A run that another process is at; null where there is none. */
  async elsewhere(userId: string, runId: string): Promise<RunRecord | null> {
    const record = this.record(userId, runId);
    const isOthers = record !== null && record.owner !== this.#owner.id && (await this.result(userId, runId)) === null;
    return isOthers ? record : null;
  }

  record(userId: string, runId: string): RunRecord | null {
    checkUserId(userId);
    return this.#files.record(userId, runId);
  }

  /** Null for a run of which nothing is kept, or that has not ended. */
  async events(userId: string, runId: string): Promise<PastEvents | null> {
    const result = await this.result(userId, runId);
    if (result === null) return null;
    const whole = () => this.#files.openEvents(userId, runId);
    return await pastEvents({ whole, part: () => this.#files.openPart(userId, runId) }, result);
  }

  /** Newest first. Those whose `status` is null are under way, here or in another process. */
  async list(userId: string, query: IndexQuery): Promise<IndexRow[]> {
    checkUserId(userId);
    await this.#writer.settled();
    const rows = await this.#answer(() => this.#index.list(userId, query));
    return await Promise.all(rows.map((row) => (row.status === null ? this.#settledRow(row) : row)));
  }

  async usage(userId: string, since: string, until: string): Promise<{ rows: UsageRow[]; storedBytes: number }> {
    checkUserId(userId);
    await this.#writer.settled();
    const kept = await this.#answer(() => this.#index.usage(userId, since, until));
    const storedBytes = await this.#answer(() => this.#index.bytesOf(userId));
    return { rows: [...this.#usage.usage(userId, since, until), ...kept], storedBytes };
  }

  /** Null where the key is that run's from now on; else what was asked for with it before, and how that ended. */
  claimKey(userId: string, key: RequestKeyRecord, runId: string): EarlierRun | null {
    const had = this.#files.claimKey(userId, key, runId);
    if (had === null) return null;
    const earlier = this.earlier(userId, key.digest);
    if (earlier !== null) return earlier;
    if (had.owner !== this.#owner.id) {
      // Another process is between the key and the run, or died there: then nothing ran.
      void this.#owner.isAlive(had.owner).then((isAlive) => !isAlive && this.#files.dropKey(userId, key.digest));
      throw new IsoError("too_busy", "Another process takes a run with this Idempotency-Key at this moment.");
    }
    this.#files.dropKey(userId, key.digest);
    return this.#files.claimKey(userId, key, runId) === null ? null : this.earlier(userId, key.digest);
  }

  /** The run that has this key; null where none has it. */
  earlier(userId: string, digest: string): EarlierRun | null {
    const had = this.#files.keyOf(userId, digest);
    const record = had && this.#files.record(userId, had.runId);
    if (had === null || record === null) return null;
    const result = this.#files.result(userId, had.runId);
    return { record, fingerprint: had.fingerprint, result, ended: () => this.#whenEnded(record) };
  }

  dropKey(userId: string, digest: string): void {
    this.#files.dropKey(userId, digest);
  }

  /** Removes what is too old or too much now, and not at the next look. */
  async cleanUp(): Promise<number> {
    await this.#writer.settled();
    return await this.#retention.cleanUp();
  }

  /** Removes nothing any more, and waits for nobody's run. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#retention.stop();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    clearInterval(this.#telling);
    await this.stop();
    this.#writer.again();
    await this.#writer.settled();
    this.#isClosed = true;
    await this.#repairing;
    this.#index.close();
    this.#usage.close();
    await this.#files.close();
  }

  /** Runs that take longer leave what they said, should this process die; one file after the other, as others are at work. */
  async #tell(): Promise<void> {
    for (const [runId, { told, since }] of [...this.#underWay]) {
      if (performance.now() - since < TELL_MS) break;
      if (!this.#underWay.has(runId)) continue;
      try {
        if (told.write()) await setImmediate();
      } catch (error) {
        this.#log(`events of run ${runId} are not kept while it runs: ${toIsoError(error).message}`);
      }
    }
  }

  #put(record: RunRecord, result: RunResult | null): void {
    const bytes = this.#files.bytes(placeOf(record.userId, record.runId));
    this.#index.together(() => this.#index.put(record, result, bytes));
  }

  /** Null where the index cannot answer; it is made anew then. */
  #ask<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#repair(error);
      return null;
    }
  }

  /** When it can: that there is nothing would be no answer. */
  async #answer<T>(work: () => T): Promise<T> {
    const found = this.#repairing === null ? this.#ask(work) : null;
    if (found !== null) return found;
    await this.#repairing;
    return work();
  }

  #repair(error: unknown): void {
    if (this.#isClosed) return;
    this.#repairing ??= (async () => {
      this.#log(`the history's index is made anew: ${toIsoError(error).message}`);
      this.#index.reopen();
      await this.#reconcile();
    })()
      .catch((fault) => this.#log(`the history's index cannot be made anew: ${toIsoError(fault).message}`))
      .finally(() => {
        this.#repairing = null;
      });
  }

  /** Brings the index to what the files say. */
  async #reconcile(): Promise<void> {
    const pause = pacer();
    const known = new Map<string, boolean>();
    const gone: { userId: string; runId: string; place: string }[] = [];
    for (let id = 0; ; ) {
      const rows = this.#index.after(id, 500);
      for (const row of rows) {
        const place = nameOf(placeOf(row.userId, row.runId));
        known.set(place, row.status !== null);
        gone.push({ userId: row.userId, runId: row.runId, place });
        await pause();
      }
      id = rows.at(-1)?.id ?? id;
      if (rows.length === 0) break;
    }
    const seen = new Set<string>();
    const faults: unknown[] = [];
    for (const user of this.#files.users()) {
      for (const place of await this.#files.runs(user)) {
        await pause();
        seen.add(nameOf(place));
        if (known.get(nameOf(place)) === true) continue;
        try {
          await this.#settle(this.#files.recordAt(place));
        } catch (error) {
          if (isDamage(error)) throw error;
          // One run's files cost no other its place, and no service its start.
          faults.push(error);
        }
      }
    }
    if (faults.length > 0) {
      this.#log(
        `${faults.length} runs are not in the history's index, as of the first: ${toIsoError(faults[0]).message}`,
      );
    }
    for (const { userId, runId, place } of gone) if (!seen.has(place)) this.#index.delete(userId, runId);
  }

  async #settle(record: RunRecord | null): Promise<RunResult | null> {
    if (record === null) return null;
    const { userId, runId } = record;
    const result = this.#files.result(userId, runId);
    if (result === null && (await this.#isUnderWay(record))) this.#put(record, null);
    else if (result !== null) this.#put(record, result);
    else return this.#interrupt(record);
    return result;
  }

  async #settledRow(row: IndexRow): Promise<IndexRow> {
    if (await this.#isUnderWay(row)) return row;
    await this.#settle(this.#files.record(row.userId, row.runId));
    return this.#ask(() => this.#index.get(row.userId, row.runId)) ?? row;
  }

  async #isUnderWay({ owner }: Pick<RunRecord, "owner">): Promise<boolean> {
    return owner === this.#owner.id || (await this.#owner.isAlive(owner));
  }

  /** Its process died. Written down as its result, so that it is one for all who ask. */
  #interrupt(record: RunRecord): RunResult {
    // It may have ended while its process was looked for.
    const result = this.#files.result(record.userId, record.runId) ?? interruptedResult(record);
    this.#files.putResult(result);
    this.#ask(() => this.#put(record, result));
    return result;
  }

  async #whenEnded(record: RunRecord): Promise<RunResult> {
    for (;;) {
      const result = await this.result(record.userId, record.runId);
      if (result !== null) return result;
      if (this.#files.record(record.userId, record.runId) === null) {
        throw new IsoError("not_found", "The run is kept no more.");
      }
      if (this.#isStopping) {
        throw new IsoError("shutting_down", "The run goes on in another process, and this service is stopping.");
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** A run that was asked for before, in this process or another one. */
export interface EarlierRun {
  readonly record: RunRecord;
  /** Of the request that it was. */
  readonly fingerprint: string;
  /** Null while it is under way. */
  readonly result: RunResult | null;
  ended(): Promise<RunResult>;
}

export const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const nameOf = ({ user, run }: RunPlace): string => `${user}/${run}`;
