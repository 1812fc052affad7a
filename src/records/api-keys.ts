// The keys by which callers of the service are told apart. On disk is a file for each, with a digest of the key and whom it may act
// for; the key itself is said once, to whoever made it. A file is whole or absent, so that processes need no lock and a service that
// runs sees each key come and go.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import { syncToDisk } from "../safefs/content.js";
import { errnoOf } from "../safefs/errors.js";

/** What finds a key wherever it was left by mistake. The last part is 256 bits, so that a plain digest cannot be searched. */
const KEY = /^iso_([0-9a-z]{12})_[0-9a-z]{50}$/;
const ID = /^[0-9a-z]{12}$/;
const FILE = /^([0-9a-z]{12})\.json$/;
/** A key's use is noted so often at most. */
const NOTE_EVERY_MS = 60_000;

const Stored = z.strictObject({
  id: z.string().regex(ID),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  user: z.string().nullable(),
  readOnly: z.boolean(),
  label: z.string(),
  createdAt: z.string(),
  expiresAt: z.string().nullable(),
});

export interface ApiKey {
  /** A part of the key that is no secret. */
  readonly id: string;
  /** The one user whom it may act for; null: any. */
  readonly user: string | null;
  readonly readOnly: boolean;
  readonly label: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  /** To about a minute; null: never. */
  readonly lastUsedAt: string | null;
}

export type KeyWish = Pick<ApiKey, "user" | "readOnly" | "label" | "expiresAt">;

interface Known {
  readonly stamp: string;
  readonly key: ApiKey;
  readonly digest: Buffer;
}

export class ApiKeys {
  readonly #dir: string;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  /** `stateDir` is the workspace root's `.iso-runtime`; nothing is made before the first key. */
  constructor(stateDir: string, now: () => number = Date.now) {
    this.#dir = join(stateDir, "keys", "api");
    this.#now = now;
  }

  /** The key is known to nobody else from then on. */
  create({ user, readOnly, label, expiresAt }: KeyWish): { key: string; made: ApiKey } {
    const id = letters(8, 12);
    const key = `iso_${id}_${letters(32, 50)}`;
    const createdAt = new Date(this.#now()).toISOString();
    const made = { id, user, readOnly, label, createdAt, expiresAt };
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    this.#place(id, `${JSON.stringify({ ...made, digest: digestOf(key).toString("hex") })}\n`);
    return { key, made: { ...made, lastUsedAt: null } };
  }

  /** The oldest first. Throws `config_invalid` for a file that is none of a key. */
  list(): ApiKey[] {
    const ids = this.#names().flatMap((name) => FILE.exec(name)?.[1] ?? []);
    const found = ids.flatMap((id) => this.#read(id)?.key ?? []);
    return found.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /** False where there is no such key. */
  revoke(id: string): boolean {
    if (!ID.test(id)) return false;
    try {
      unlinkSync(this.#file(id));
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** True where some key could be used now. */
  get any(): boolean {
    return this.list().some((key) => !this.#isOver(key));
  }

  /** Whose key it is; null for what is none, was revoked or has expired. Costs a look at one file, whatever was sent. */
  find(given: string): ApiKey | null {
    const id = KEY.exec(given)?.[1];
    const found = id === undefined ? null : this.#readOrNull(id);
    if (id === undefined || found === null) return null;
    if (!timingSafeEqual(found.digest, digestOf(given)) || this.#isOver(found.key)) return null;
    this.#note(id, found.key);
    return found.key;
  }

  #isOver({ expiresAt }: ApiKey): boolean {
    return expiresAt !== null && Date.parse(expiresAt) <= this.#now();
  }

  /** A file that is none of a key lets nobody in; the list names it. */
  #readOrNull(id: string): Known | null {
    try {
      return this.#read(id);
    } catch (error) {
      if (error instanceof IsoError) return null;
      throw error;
    }
  }

  #read(id: string): Known | null {
    const file = this.#file(id);
    const stats = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) {
      this.#known.delete(id);
      return null;
    }
    const stamp = `${stats.ino}:${stats.size}:${stats.ctimeNs}`;
    const known = this.#known.get(id);
    if (known?.stamp === stamp) return known;
    const read = readStored(file);
    if (read === null) return null;
    const { digest, ...rest } = read;
    if (rest.id !== id) throw damaged(file);
    // A key's file is never written again: when it was, is free to say when the key was used. Zero is never.
    const lastUsedAt = stats.mtimeNs === 0n ? null : new Date(Number(stats.mtimeNs / 1_000_000n)).toISOString();
    const found = { stamp, key: { ...rest, lastUsedAt }, digest: Buffer.from(digest, "hex") };
    this.#known.set(id, found);
    return found;
  }

  #note(id: string, { lastUsedAt }: ApiKey): void {
    const now = this.#now();
    if (lastUsedAt !== null && Math.abs(now - Date.parse(lastUsedAt)) < NOTE_EVERY_MS) return;
    try {
      utimesSync(this.#file(id), now / 1000, now / 1000);
    } catch {
      // Revoked in this instant, or on a disk that takes nothing: the request is good nevertheless.
    }
  }

  #place(id: string, text: string): void {
    const file = this.#file(id);
    const unfinished = `${file}.${process.pid}`;
    try {
      const fd = openSync(unfinished, "wx", 0o600);
      try {
        writeFileSync(fd, text);
        futimesSync(fd, 0, 0);
        syncToDisk(fd);
      } finally {
        closeSync(fd);
      }
      linkSync(unfinished, file);
    } finally {
      rmSync(unfinished, { force: true });
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#dir);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  }

  #file(id: string): string {
    return join(this.#dir, `${id}.json`);
  }
}

const digestOf = (key: string): Buffer => createHash("sha256").update(key).digest();

/** So many random bytes in lower-case letters and digits. */
function letters(bytes: number, length: number): string {
  return BigInt(`0x${randomBytes(bytes).toString("hex")}`)
    .toString(36)
    .padStart(length, "0")
    .slice(-length);
}

function readStored(file: string): z.output<typeof Stored> | null {
  try {
    return Stored.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    if (error instanceof SyntaxError || error instanceof z.ZodError) throw damaged(file);
    throw error;
  }
}

function damaged(file: string): IsoError {
  return new IsoError("config_invalid", `"${file}" is no key's file.`, {
    hint: "Remove it, and make a new key with `iso-runtime keys create`.",
  });
}
