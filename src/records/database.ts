// A small SQLite file of our own state, shared by processes. One that is damaged, or of another version than ours, is put aside.
import { renameSync, rmSync } from "node:fs";
import Sqlite from "libsql";

/** Another process writes for a moment only; this one must not stand still for longer. */
const BUSY_MS = 250;
/** One that is not open was damaged, and could not be made anew then. */
const DAMAGE = /SQLITE_(CORRUPT|NOTADB)|malformed|not a database|no such (table|column)|connection is not open/i;

export type Statement = Sqlite.Statement<unknown[]>;
type Row = Record<string, unknown>;

export interface Opened {
  db: Sqlite.Database;
  /** Why what was there is put aside; null where it was not. */
  damage: string | null;
}

/** `schema` makes the tables of `version`. */
export function openDatabase(path: string, version: number, schema: string): Opened {
  let damage: string | null = null;
  try {
    const db = open(path);
    try {
      const found = versionOf(db);
      if (found === version) {
        const [state] = db.prepare("PRAGMA quick_check(1)").raw().all() as unknown[][];
        if (state?.[0] !== "ok") throw new Error(`SQLITE_CORRUPT: ${String(state?.[0])}`);
        return { db, damage: null };
      }
      if (found === 0 && isEmpty(db)) return { db: made(db, version, schema), damage: null };
      damage = `it is of version ${found}`;
    } catch (error) {
      db.close();
      throw error;
    }
    db.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
    damage = error instanceof Error ? error.message : String(error);
  }
  putAside(path);
  return { db: made(open(path), version, schema), damage };
}

/** All of it or nothing. */
export function inTransaction(db: Sqlite.Database, work: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** As they stand in the table: the library adds a member of its own. */
export function rowsOf<T>(statement: Statement, given: unknown[]): T[] {
  return (statement.all(...given) as Row[]).map(({ _metadata, ...row }) => row as T);
}

/** Whether a fault says that the file is of no use any more. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return DAMAGE.test(code) || (error instanceof Error && DAMAGE.test(error.message));
}

function open(path: string): Sqlite.Database {
  const db = new Sqlite(path);
  db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = NORMAL");
  return db;
}

function versionOf(db: Sqlite.Database): number {
  const [row] = db.prepare("PRAGMA user_version").raw().all() as unknown[][];
  return Number(row?.[0]);
}

function isEmpty(db: Sqlite.Database): boolean {
  const [row] = db.prepare("SELECT count(*) FROM sqlite_schema").raw().all() as unknown[][];
  return Number(row?.[0]) === 0;
}

/** In one step, as another process may be making it too. */
function made(db: Sqlite.Database, version: number, schema: string): Sqlite.Database {
  db.exec("BEGIN IMMEDIATE");
  if (versionOf(db) !== version) db.exec(`${schema}; PRAGMA user_version = ${version}`);
  db.exec("COMMIT");
  return db;
}

function putAside(path: string): void {
  for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  try {
    renameSync(path, `${path}.damaged`);
  } catch {
    rmSync(path, { force: true });
  }
}
