// Writes behind the runs: the events of those that ended, and the index's rows. What comes close together goes into one transaction, which
// costs each a fraction; whoever is to look into the index has what there is written at once.
import { setImmediate } from "node:timers/promises";
import type { EventBus } from "../comm/event-bus.js";
import { toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { isDamage } from "../records/database.js";
import { placeOf, type RunFiles, type RunRecord } from "../records/run-files.js";
import type { RunIndex } from "../records/run-index.js";
import { pacer } from "../safefs/pace.js";
import { linesOf } from "./past-events.js";

const GATHER_MS = 100;
const MAX_BATCH = 100;
/** In one transaction: each row takes a quarter of a millisecond, in which no other run's next step can be taken. */
const ROWS_AT_ONCE = 8;
/** A run under way may be one that somebody waits for: rows let it go first, for no longer than this. */
const MAX_POLITE_MS = 500;
const POLITE_STEP_MS = 20;
/** What could not be written is tried again after this, so many times in all. */
const RETRY_MS = 1000;
const TRIES = 3;
/** Then it waits until something can be written again, and for no longer than this. */
const LATER_MS = 30_000;
/** What may wait so: of what is more, an ending is lost with this process. */
const MAX_LATE = 1000;

export interface ToWrite {
  record: RunRecord;
  /** Null for one that was only taken. */
  ended: { result: RunResult; events: EventBus } | null;
}

interface Row {
  record: RunRecord;
  /** Null for a run that was only taken. */
  result: RunResult | null;
  bytes: number;
}

interface Parts {
  files: RunFiles;
  index: RunIndex;
  log: (line: string) => void;
  onDamage(error: unknown): void;
  /** True while a run is under way. */
  isBusy(): boolean;
}

export class HistoryWriter {
  readonly #parts: Parts;
  /** In the order they came. */
  readonly #waiting: ToWrite[] = [];
  /** What the disk did not take. */
  #late: ToWrite[] = [];
  #later: NodeJS.Timeout | null = null;
  /** All that came, and those of them that wait no more. */
  #added = 0;
  #done = 0;
  #isWriting = false;
  #hurry: () => void = () => undefined;
  readonly #waiters = new Set<{ upTo: number; resolve: () => void }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  add(entry: ToWrite): void {
    this.#waiting.push(entry);
    this.#added += 1;
    if (!this.#isWriting) void this.#write();
  }

  /** Once more what could not be written. */
  again(): void {
    const late = this.#late;
    this.#late = [];
    if (this.#later !== null) clearTimeout(this.#later);
    this.#later = null;
    for (const entry of late) this.add(entry);
  }

  /** Resolves when all that was added before is written, or tried for long enough, whatever comes meanwhile. */
  async settled(): Promise<void> {
    const upTo = this.#added;
    if (this.#done >= upTo) return;
    await new Promise<void>((resolve) => {
      this.#waiters.add({ upTo, resolve });
      this.#hurry();
    });
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    for (let tries = 0; this.#waiting.length > 0; ) {
      await this.#pause(tries === 0 ? GATHER_MS : RETRY_MS);
      const batch = this.#waiting.slice(0, MAX_BATCH);
      try {
        await this.#writeAll(batch);
        tries = 0;
        this.again();
      } catch (error) {
        tries += 1;
        const { log, onDamage } = this.#parts;
        if (isDamage(error)) onDamage(error);
        else if (tries < TRIES) continue;
        else {
          log(`${batch.length} runs are not in the history yet: ${toIsoError(error).message}`);
          this.#putOff(batch);
        }
        tries = 0;
      }
      this.#waiting.splice(0, batch.length);
      this.#done += batch.length;
      this.#wake();
    }
    this.#isWriting = false;
  }

  /** A full disk may have kept a result from its file: it must not be lost for having been tried too early. */
  #putOff(batch: readonly ToWrite[]): void {
    this.#late.push(...batch);
    this.#late.splice(0, this.#late.length - MAX_LATE);
    this.#later ??= setTimeout(() => this.again(), LATER_MS).unref();
  }

  async #writeAll(batch: readonly ToWrite[]): Promise<void> {
    const { files, index } = this.#parts;
    const pause = pacer();
    const over = new Set<string>();
    const rows: Row[] = [];
    for (const { record, ended } of batch) {
      if (ended === null) continue;
      const { userId, runId } = record;
      if (!files.hasResult(userId, runId)) files.putResult(ended.result);
      try {
        await files.putEvents(userId, runId, await linesOf(ended.events));
      } catch (error) {
        // No reason to lose the others: of this one there is the result.
        this.#parts.log(`the events of run ${runId} are not kept: ${toIsoError(error).message}`);
      }
      rows.push({ record, result: ended.result, bytes: files.bytes(placeOf(userId, runId)) });
      over.add(runId);
      await pause();
    }
    // Rows are the only part that this thread is held up by, and that no death can lose: they are made of the files.
    await this.#letGo();
    const begun = batch.filter(({ record, ended }) => ended === null && !over.has(record.runId));
    const all: Row[] = [...begun.map(({ record }) => ({ record, result: null, bytes: 0 })), ...rows];
    for (let at = 0; at < all.length; at += ROWS_AT_ONCE) {
      if (at > 0) await setImmediate();
      index.together(() => {
        for (const { record, result, bytes } of all.slice(at, at + ROWS_AT_ONCE)) index.put(record, result, bytes);
      });
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.upTo > this.#done) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  async #letGo(): Promise<void> {
    const startedAt = performance.now();
    const isLong = () => performance.now() - startedAt > MAX_POLITE_MS || this.#waiting.length >= MAX_BATCH;
    while (this.#waiters.size === 0 && !isLong() && this.#parts.isBusy()) await this.#pause(POLITE_STEP_MS);
  }

  async #pause(ms: number): Promise<void> {
    if (this.#waiters.size > 0) return await setImmediate();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = () => undefined;
  }
}
