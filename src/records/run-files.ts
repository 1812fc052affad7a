// What is kept of each run of a service, as files: what was asked for, how it ended (run-ids.ts), its events, and the key by which the same
// request is the same run. Each is whole or absent. The files are the truth; the index over them can be made anew.
import { appendFileSync, createReadStream, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunResult } from "../model/result.js";
import { wholeText } from "../model/result-text.js";
import { step } from "../model/steps.js";
import { errnoOf } from "../safefs/errors.js";
import { hashName, REQUEST_END, type RunIdOwner, resultFile, runsDir, wholeResult } from "./run-ids.js";
import { SpareFiles } from "./spare-files.js";
import { claimName, putWholeAside, writerOf } from "./whole-file.js";

export const REQUEST_SCHEMA = "iso-runtime/run-request@1";
const EVENTS_END = ".events.ndjson";
/** Of a run that has not ended. */
const PART_END = ".events.part";
const KEY_START = "key-";
/** A result has more. */
const MAX_CLAIM_BYTES = 256;

export interface RequestKeyRecord {
  /** Hash of the key: a key may say what it is for. */
  digest: string;
  /** Hash of the request as it was sent. */
  fingerprint: string;
}

export interface RunRecord {
  schema: typeof REQUEST_SCHEMA;
  runId: string;
  userId: string;
  turnId: string;
  mode: RunResult["mode"];
  scenario: string | null;
  acceptedAt: string;
  /** The process that took it. */
  owner: string;
  key: RequestKeyRecord | null;
  /** What was asked for, without secrets. */
  request: Record<string, unknown>;
  /** Fields that are left out or shortened, as they were too long. */
  cut: string[];
}

interface KeyFile {
  runId: string;
  fingerprint: string;
  owner: string;
}

/** A run by the names of its files. */
export interface RunPlace {
  user: string;
  run: string;
}

export const placeOf = (userId: string, runId: string): RunPlace => ({ user: hashName(userId), run: hashName(runId) });

export class RunFiles {
  readonly #dir: string;
  readonly #owner: RunIdOwner;
  readonly #spareDir: string;
  readonly #spares: SpareFiles;

  /** `stateDir` is the workspace root's `.iso-runtime`. */
  constructor(stateDir: string, owner: RunIdOwner) {
    this.#dir = runsDir(stateDir);
    this.#owner = owner;
    this.#spareDir = join(stateDir, "spare-files");
    this.#spares = new SpareFiles(this.#spareDir, owner.id);
  }

  async close(): Promise<void> {
    await this.#spares.close();
  }

  accept(record: RunRecord): void {
    this.#spares.put(this.#path(placeOf(record.userId, record.runId), REQUEST_END), JSON.stringify(record));
  }

  /** What this user asked for with this run; null where there is nothing kept of it. */
  record(userId: string, runId: string): RunRecord | null {
    const found = this.recordAt(placeOf(userId, runId));
    return found !== null && found.userId === userId && found.runId === runId ? found : null;
  }

  recordAt(place: RunPlace): RunRecord | null {
    const found = readJson(this.#path(place, REQUEST_END));
    return isRecord(found) ? found : null;
  }

  /** Null for a run that is under way, or that there is not. */
  result(userId: string, runId: string): RunResult | null {
    return wholeResult(readJson(resultFile(this.#dir, userId, runId)));
  }

  hasResult(userId: string, runId: string): boolean {
    // A claim has no more than its process's id.
    return (statSync(resultFile(this.#dir, userId, runId), { throwIfNoEntry: false })?.size ?? 0) > MAX_CLAIM_BYTES;
  }

  putResult(result: RunResult): void {
    this.#spares.put(resultFile(this.#dir, result.userId, result.runId), wholeText(result));
  }

  async putEvents(userId: string, runId: string, lines: string): Promise<void> {
    const place = placeOf(userId, runId);
    await putWholeAside(this.#path(place, EVENTS_END), lines, this.#owner.id);
    rmSync(this.#path(place, PART_END), { force: true });
  }

  /** Of a run that goes on: what comes is added, and is all there is should its process die. */
  addEvents(userId: string, runId: string, lines: string): void {
    appendFileSync(this.#path(placeOf(userId, runId), PART_END), lines, { mode: 0o600 });
  }

  /** Null where none are kept. */
  openEvents(userId: string, runId: string): AsyncIterable<Buffer> | null {
    return this.#open(placeOf(userId, runId), EVENTS_END);
  }

  /** Those of a run that broke off. */
  openPart(userId: string, runId: string): AsyncIterable<Buffer> | null {
    return this.#open(placeOf(userId, runId), PART_END);
  }

  #open(place: RunPlace, end: string): AsyncIterable<Buffer> | null {
    const path = this.#path(place, end);
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return null;
    return createReadStream(path, { highWaterMark: 64 * 1024 });
  }

  /** All that is kept of a run. */
  bytes(place: RunPlace): number {
    const size = (end: string) => statSync(this.#path(place, end), { throwIfNoEntry: false })?.size ?? 0;
    return size(REQUEST_END) + size(EVENTS_END) + size(PART_END) + size(".json");
  }

  /** What was asked for goes first: from then on there is no such run. Fine where it is gone. */
  remove(place: RunPlace, keyDigest: string | null): void {
    rmSync(this.#path(place, REQUEST_END), { force: true });
    step("retention.forgotten");
    for (const end of [EVENTS_END, PART_END]) rmSync(this.#path(place, end), { force: true });
    if (keyDigest !== null) rmSync(join(this.#dir, place.user, `${KEY_START}${keyDigest}`), { force: true });
    rmSync(this.#path(place, ".json"), { force: true });
  }

  /** Null where the key is this run's from now on, else the run that has it. */
  claimKey(userId: string, { digest, fingerprint }: RequestKeyRecord, runId: string): KeyFile | null {
    const mine: KeyFile = { runId, fingerprint, owner: this.#owner.id };
    if (claimName(this.#keyPath(userId, digest), JSON.stringify(mine), this.#owner.id)) return null;
    return this.keyOf(userId, digest) ?? mine;
  }

  keyOf(userId: string, digest: string): KeyFile | null {
    const found = readJson(this.#keyPath(userId, digest));
    return isKeyFile(found) ? found : null;
  }

  dropKey(userId: string, digest: string): void {
    rmSync(this.#keyPath(userId, digest), { force: true });
  }

  /** Users that have files here. */
  users(): string[] {
    return list(this.#dir).filter((name) => /^[0-9a-f]{32}$/.test(name));
  }

  /** The runs of a user for which something was asked. What a dead process did not finish is removed. */
  async runs(user: string): Promise<RunPlace[]> {
    const names = await this.#finished(join(this.#dir, user));
    const requests = names.filter((name) => name.endsWith(REQUEST_END));
    return requests.map((name) => ({ user, run: name.slice(0, -REQUEST_END.length) }));
  }

  #path({ user, run }: RunPlace, end: string): string {
    return join(this.#dir, user, `${run}${end}`);
  }

  #keyPath(userId: string, digest: string): string {
    return join(this.#dir, hashName(userId), `${KEY_START}${digest}`);
  }

  /** What a dead process made for later. */
  async clearSpares(): Promise<void> {
    await this.#finished(this.#spareDir);
  }

  /** Names of a folder without those of dead processes, which are removed. */
  async #finished(dir: string): Promise<string[]> {
    const names = list(dir);
    for (const name of names) {
      const owner = writerOf(name);
      if (owner !== null && owner !== this.#owner.id && !(await this.#owner.isAlive(owner))) {
        rmSync(join(dir, name), { force: true });
      }
    }
    return names;
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Null where there is no such file, and where it is not whole: a disk may have lost a part of it. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

function isRecord(value: unknown): value is RunRecord {
  const isOurs = typeof value === "object" && value !== null && "schema" in value && value.schema === REQUEST_SCHEMA;
  return isOurs && "userId" in value && typeof value.userId === "string" && "request" in value;
}

function isKeyFile(value: unknown): value is KeyFile {
  return typeof value === "object" && value !== null && "runId" in value && "fingerprint" in value && "owner" in value;
}
