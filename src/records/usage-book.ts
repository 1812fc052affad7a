// What users used with runs that are kept no more. Of those that are kept it is told by the index; a run moves from one to the other when
// it is removed, once, whatever is interrupted: it stands in `leaving` from before its files go until nothing is left of them.
import { inTransaction, isDamage, type Opened, openDatabase, rowsOf } from "./database.js";
import type { UsageRow } from "./run-index.js";

const VERSION = 1;
const SCHEMA = `
CREATE TABLE past (
  user_id TEXT NOT NULL, day TEXT NOT NULL, status TEXT NOT NULL, runs INTEGER NOT NULL, run_ms REAL NOT NULL, cpu_ms REAL NOT NULL,
  cpu_runs INTEGER NOT NULL, output_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL,
  PRIMARY KEY (user_id, day, status)
) WITHOUT ROWID;
CREATE TABLE leaving (user_id TEXT NOT NULL, run_id TEXT NOT NULL, key_digest TEXT, PRIMARY KEY (user_id, run_id)) WITHOUT ROWID`;

export interface Leaving {
  userId: string;
  runId: string;
  keyDigest: string | null;
}

export class UsageBook {
  readonly #path: string;
  readonly #onLost: (why: string) => void;
  #opened: Opened;
  #isClosed = false;

  /** `onLost` hears of what cannot be used any more, now and later: an empty one takes its place. */
  constructor(path: string, onLost: (why: string) => void) {
    this.#path = path;
    this.#onLost = onLost;
    this.#opened = this.#open();
  }

  #open(): Opened {
    const opened = openDatabase(this.#path, VERSION, SCHEMA);
    if (opened.damage !== null) this.#onLost(opened.damage);
    return opened;
  }

  #use<T>(work: (db: Opened["db"]) => T): T {
    try {
      return work(this.#opened.db);
    } catch (error) {
      if (this.#isClosed || !isDamage(error)) throw error;
      this.#opened.db.close();
      this.#opened = this.#open();
      return work(this.#opened.db);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#opened.db.close();
  }

  /** Counts a run that goes, unless it was counted already. */
  leave(leaving: Leaving, used: UsageRow | null): void {
    this.#use((db) => count(db, leaving, used));
  }

  /** Nothing of it is left. */
  left(userId: string, runId: string): void {
    this.#use((db) => db.prepare("DELETE FROM leaving WHERE user_id = ? AND run_id = ?").run(userId, runId));
  }

  leaving(): Leaving[] {
    return this.#all("SELECT user_id AS userId, run_id AS runId, key_digest AS keyDigest FROM leaving");
  }

  usage(userId: string, since: string, until: string): UsageRow[] {
    return this.#all(
      `SELECT day, status, runs, run_ms AS runMs, cpu_ms AS cpuMs, cpu_runs AS cpuRuns, output_bytes AS outputBytes,
       file_bytes AS fileBytes FROM past WHERE user_id = ? AND day BETWEEN ? AND ?`,
      ...[userId, since, until],
    );
  }

  #all<T>(sql: string, ...given: unknown[]): T[] {
    return this.#use((db) => rowsOf(db.prepare(sql), given));
  }
}

function count(db: Opened["db"], { userId, runId, keyDigest }: Leaving, used: UsageRow | null): void {
  inTransaction(db, () => {
    const { changes } = db.prepare("INSERT OR IGNORE INTO leaving VALUES (?, ?, ?)").run(userId, runId, keyDigest);
    if (changes > 0 && used !== null) {
      const { day, status, runs, runMs, cpuMs, cpuRuns, outputBytes, fileBytes } = used;
      db.prepare(
        `INSERT INTO past VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs,
         run_ms = run_ms + excluded.run_ms, cpu_ms = cpu_ms + excluded.cpu_ms, cpu_runs = cpu_runs + excluded.cpu_runs,
         output_bytes = output_bytes + excluded.output_bytes, file_bytes = file_bytes + excluded.file_bytes`,
      ).run(userId, day, status, runs, runMs, cpuMs, cpuRuns, outputBytes, fileBytes);
    }
  });
}
