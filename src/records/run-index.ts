// The index of the runs that are kept: who, when, how it ended, and the words to find it by. All of it is made from the files.
import type { RunResult } from "../model/result.js";
import { inTransaction, openDatabase, rowsOf, type Statement } from "./database.js";
import type { RunRecord } from "./run-files.js";

const VERSION = 1;
const SCHEMA = `
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  user_id TEXT NOT NULL, run_id TEXT NOT NULL, turn_id TEXT NOT NULL, mode TEXT NOT NULL, scenario TEXT,
  accepted_at TEXT NOT NULL, owner TEXT NOT NULL, key_digest TEXT,
  status TEXT, code TEXT, total_ms REAL, run_ms REAL, cpu_ms REAL, output_bytes INTEGER, file_bytes INTEGER,
  bytes INTEGER NOT NULL,
  UNIQUE (user_id, run_id)
);
CREATE INDEX runs_by_age ON runs (accepted_at);
CREATE VIRTUAL TABLE run_texts USING fts5(text)`;
/** Of each text that a run is found by. */
const TEXT_CHARS = { code: 2000, message: 500, output: 2000 };
const MAX_WORDS = 16;
/** Runs looked into, the newest first, for what has no words. */
const MAX_SCANNED = 2000;

export interface IndexRow {
  runId: string;
  userId: string;
  turnId: string;
  mode: RunResult["mode"];
  scenario: string | null;
  acceptedAt: string;
  owner: string;
  keyDigest: string | null;
  /** Null while it is under way. */
  status: RunResult["status"] | null;
  code: string | null;
  totalMs: number | null;
  bytes: number;
}

export interface IndexQuery {
  before?: string | undefined;
  /** Those that are under way come in any case: how far they are is not known here. */
  statuses?: readonly string[] | undefined;
  text?: string | undefined;
  /** Times, as ISO texts: from the first on, before the second. */
  since?: string | undefined;
  until?: string | undefined;
  limit: number;
}

/** Sums over runs of one day and ending. */
export interface UsageRow {
  day: string;
  status: string;
  runs: number;
  runMs: number;
  cpuMs: number;
  /** Runs whose processor time is known. */
  cpuRuns: number;
  outputBytes: number;
  fileBytes: number;
}

const USAGE_SUMS = `count(*) AS runs, total(run_ms) AS runMs, total(cpu_ms) AS cpuMs, count(cpu_ms) AS cpuRuns,
  total(output_bytes) AS outputBytes, total(file_bytes) AS fileBytes`;

const COLUMNS = `run_id AS runId, user_id AS userId, turn_id AS turnId, mode, scenario, accepted_at AS acceptedAt, owner,
  key_digest AS keyDigest, status, code, total_ms AS totalMs, bytes`;

export class RunIndex {
  readonly #path: string;
  readonly #statements = new Map<string, Statement>();
  #opened: ReturnType<typeof openDatabase>;

  constructor(path: string) {
    this.#path = path;
    this.#opened = openDatabase(path, VERSION, SCHEMA);
  }

  get damage(): string | null {
    return this.#opened.damage;
  }

  /** After damage was found: what can be used is kept, else an empty one takes its place. */
  reopen(): void {
    this.close();
    this.#opened = openDatabase(this.#path, VERSION, SCHEMA);
  }

  close(): void {
    this.#statements.clear();
    this.#opened.db.close();
  }

  /** All of it or nothing. */
  together(work: () => void): void {
    inTransaction(this.#opened.db, work);
  }

  /** `result` is null while the run is under way; what is known of its end stays. */
  put(record: RunRecord, result: RunResult | null, bytes: number): void {
    const { userId, runId, turnId, mode, scenario, acceptedAt, owner, key } = record;
    const isThere = this.#idOf(userId, runId);
    if (isThere !== null && result === null) return;
    if (isThere !== null) this.#drop(isThere);
    const { timings = null, usage = null, changes } = result ?? {};
    const written = [...(changes?.created ?? []), ...(changes?.modified ?? [])];
    const { lastInsertRowid } = this.#run(
      `INSERT INTO runs (user_id, run_id, turn_id, mode, scenario, accepted_at, owner, key_digest, status, code, total_ms, run_ms, cpu_ms,
        output_bytes, file_bytes, bytes) VALUES (${Array(16).fill("?").join(", ")})`,
      ...[userId, runId, turnId, mode, scenario, acceptedAt, owner, key?.digest ?? null],
      ...[result?.status ?? null, result?.error?.code ?? null, timings?.totalMs ?? null, timings?.runMs ?? null],
      ...[usage?.cpuMs ?? null, usage?.outputBytes ?? null],
      ...[written.reduce((sum, file) => sum + file.bytes, 0), bytes],
    );
    if (result === null) return;
    this.#run("INSERT INTO run_texts (rowid, text) VALUES (?, ?)", lastInsertRowid, wordsOf(record, result));
  }

  delete(userId: string, runId: string): void {
    const id = this.#idOf(userId, runId);
    if (id !== null) this.#drop(id);
  }

  /** Newest first. */
  list(userId: string, query: IndexQuery): IndexRow[] {
    const where = ["user_id = ?"];
    const given: unknown[] = [userId];
    const also = (condition: string, ...values: unknown[]) => {
      where.push(condition);
      given.push(...values);
    };
    const { before, since, until, statuses, text, limit } = query;
    if (before !== undefined) also("run_id < ?", before);
    if (since !== undefined) also("accepted_at >= ?", since);
    if (until !== undefined) also("accepted_at < ?", until);
    if (statuses !== undefined)
      also(`(status IS NULL OR status IN (${statuses.map(() => "?").join(", ")}))`, ...statuses);
    if (text !== undefined) this.#alsoText(text, userId, also);
    return this.#all<IndexRow>(
      `SELECT ${COLUMNS} FROM runs WHERE ${where.join(" AND ")} ORDER BY run_id DESC LIMIT ?`,
      ...given,
      limit,
    );
  }

  get(userId: string, runId: string): IndexRow | null {
    return (
      this.#all<IndexRow>(`SELECT ${COLUMNS} FROM runs WHERE user_id = ? AND run_id = ?`, userId, runId)[0] ?? null
    );
  }

  /** Some after another, so that no list of all is ever held. */
  after(id: number, limit: number): (Pick<IndexRow, "userId" | "runId" | "status"> & { id: number })[] {
    return this.#all(
      "SELECT id, user_id AS userId, run_id AS runId, status FROM runs WHERE id > ? ORDER BY id LIMIT ?",
      id,
      limit,
    );
  }

  /** Runs that ended and began before that time, the oldest first. */
  olderThan(acceptedAt: string, limit: number): IndexRow[] {
    return this.#all(
      `SELECT ${COLUMNS} FROM runs WHERE accepted_at < ? AND status IS NOT NULL ORDER BY accepted_at LIMIT ?`,
      ...[acceptedAt, limit],
    );
  }

  /** Of each user the oldest ones that are more, or take more, than one user may have. */
  beyond(maxRuns: number, maxBytes: number, limit: number): IndexRow[] {
    return this.#all(
      `SELECT ${COLUMNS} FROM (
        SELECT *, row_number() OVER whose AS place, sum(bytes) OVER whose AS upTo FROM runs
        WHERE user_id IN (SELECT user_id FROM runs GROUP BY user_id HAVING count(*) > ?1 OR sum(bytes) > ?2)
        WINDOW whose AS (PARTITION BY user_id ORDER BY run_id DESC)
      ) WHERE (place > ?1 OR upTo > ?2) AND place > 1 AND status IS NOT NULL ORDER BY user_id, run_id LIMIT ?3`,
      ...[maxRuns, maxBytes, limit],
    );
  }

  /** Days are those of UTC, both included. */
  usage(userId: string, since: string, until: string): UsageRow[] {
    return this.#all(
      `SELECT substr(accepted_at, 1, 10) AS day, status, ${USAGE_SUMS} FROM runs
       WHERE user_id = ? AND status IS NOT NULL AND substr(accepted_at, 1, 10) BETWEEN ? AND ? GROUP BY 1, 2`,
      ...[userId, since, until],
    );
  }

  /** What a run that goes counts for. */
  usageOf(userId: string, runId: string): UsageRow | null {
    const [row] = this.#all<UsageRow>(
      `SELECT substr(accepted_at, 1, 10) AS day, status, ${USAGE_SUMS} FROM runs
       WHERE user_id = ? AND run_id = ? AND status IS NOT NULL GROUP BY 1, 2`,
      ...[userId, runId],
    );
    return row ?? null;
  }

  bytesOf(userId: string): number {
    return (
      this.#all<{ bytes: number }>("SELECT total(bytes) AS bytes FROM runs WHERE user_id = ?", userId)[0]?.bytes ?? 0
    );
  }

  #alsoText(text: string, userId: string, also: (condition: string, ...values: unknown[]) => void): void {
    const words = text.normalize("NFC").match(/[\p{L}\p{N}\p{Co}]+/gu) ?? [];
    if (words.length > 0) {
      const last = words.length - 1;
      // Words in quotes are words and nothing else; of the last one the beginning is enough.
      const match = words.slice(0, MAX_WORDS).map((word, at) => `"${word}"${at === last ? "*" : ""}`);
      also("id IN (SELECT rowid FROM run_texts WHERE run_texts MATCH ?)", match.join(" AND "));
      return;
    }
    also(
      `id IN (SELECT rowid FROM run_texts WHERE text LIKE ? ESCAPE '\\' AND rowid IN
        (SELECT id FROM runs WHERE user_id = ? ORDER BY run_id DESC LIMIT ${MAX_SCANNED}))`,
      `%${text.replace(/[\\%_]/g, "\\$&")}%`,
      userId,
    );
  }

  #idOf(userId: string, runId: string): number | null {
    return (
      this.#all<{ id: number }>("SELECT id FROM runs WHERE user_id = ? AND run_id = ?", userId, runId)[0]?.id ?? null
    );
  }

  #drop(id: number): void {
    this.#run("DELETE FROM run_texts WHERE rowid = ?", id);
    this.#run("DELETE FROM runs WHERE id = ?", id);
  }

  /** There are few texts of statements, and each is made into one once. */
  #prepared(sql: string): Statement {
    const { db } = this.#opened;
    const found = this.#statements.get(sql) ?? db.prepare(sql);
    this.#statements.set(sql, found);
    return found;
  }

  #run(sql: string, ...given: unknown[]) {
    return this.#prepared(sql).run(...given);
  }

  #all<T>(sql: string, ...given: unknown[]): T[] {
    return rowsOf(this.#prepared(sql), given);
  }
}

/** Code, error, and how the output begins: without their secrets already. */
function wordsOf({ request }: RunRecord, { error, output, scenario }: RunResult): string {
  const code = typeof request.code === "string" ? request.code : "";
  const { stdout, stderr } = output;
  return [
    scenario ?? "",
    code.slice(0, TEXT_CHARS.code),
    `${error?.code ?? ""} ${(error?.message ?? "").slice(0, TEXT_CHARS.message)}`,
    stdout.text.slice(0, TEXT_CHARS.output),
    stderr.text.slice(0, TEXT_CHARS.output),
  ]
    .join("\n")
    .normalize("NFC");
}
