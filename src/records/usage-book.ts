// What users used with runs that are kept no more. Of those that are kept it is told by the index; a run moves from one to the other when
// it is removed, once, whatever is interrupted: it stands in `leaving` from before its files go until nothing is left of them.
import { openDatabase, type Row } from "./database.js";
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
  readonly #opened: ReturnType<typeof openDatabase>;

  constructor(path: string) {
    this.#opened = openDatabase(path, VERSION, SCHEMA);
  }

  get damage(): string | null {
    return this.#opened.damage;
  }

  close(): void {
    this.#opened.db.close();
  }

  /** Counts a run that goes, unless it was counted already. */
  leave({ userId, runId, keyDigest }: Leaving, used: UsageRow | null): void {
    const { db } = this.#opened;
    db.exec("BEGIN IMMEDIATE");
    try {
      const { changes } = db.prepare("INSERT OR IGNORE INTO leaving VALUES (?, ?, ?)").run(userId, runId, keyDigest);
      if (changes > 0 && used !== null) {
        const { day, status, runs, runMs, cpuMs, cpuRuns, outputBytes, fileBytes } = used;
        db.prepare(
          `INSERT INTO past VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs,
           run_ms = run_ms + excluded.run_ms, cpu_ms = cpu_ms + excluded.cpu_ms, cpu_runs = cpu_runs + excluded.cpu_runs,
           output_bytes = output_bytes + excluded.output_bytes, file_bytes = file_bytes + excluded.file_bytes`,
        ).run(userId, day, status, runs, runMs, cpuMs, cpuRuns, outputBytes, fileBytes);
      }
      db.exec("COMMIT");
    } catch (error) {
      if (db.inTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Nothing of it is left. */
  left(userId: string, runId: string): void {
    this.#opened.db.prepare("DELETE FROM leaving WHERE user_id = ? AND run_id = ?").run(userId, runId);
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
    const rows = this.#opened.db.prepare(sql).all(...given) as Row[];
    return rows.map(({ _metadata, ...row }) => row as T);
  }
}
