// The receipts' file: lines are appended under a lock that all processes of the root share, each bound to the one before. A line
// is acknowledged when it is written whole; what a dead process or a full disk left of one is cut by the next append, which says so.
import { closeSync, constants, fstatSync, fsync, ftruncateSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { IsoError } from "../model/errors.js";
import { KiB } from "../model/limits.js";
import { step } from "../model/steps.js";
import { readAt, writeAll } from "../safefs/descriptor.js";
import { errnoOf } from "../safefs/errors.js";
import { GENESIS, type Link, MAX_LINE_BYTES, readLine, sealLine } from "./receipt-line.js";
import type { SigningKey } from "./signing-key.js";

/** Longer than a usual line, so that one read finds the last one. */
const FIRST_LOOK_BYTES = 16 * KiB;
/** Longer last lines are read and judged again by the next append. */
const MAX_KEPT_BYTES = 64 * KiB;
const LINE_BREAK = 10;

/** An append takes a millisecond: whoever needs longer is stopped, and no run waits for it for ever. */
const TURN_MS = 10_000;

/** Resolves when nobody else appends; rejects with the signal's reason where that comes first. */
export type TakeTurn = (signal: AbortSignal) => Promise<{ release(): void }>;

interface JournalOptions {
  file: string;
  turn: TakeTurn;
  key: () => SigningKey | null;
  turnMs?: number;
}

/** A last line that is known to be sound: where it ends, and its bytes, by which it is known again. */
interface LastLine {
  end: number;
  line: Buffer;
  link: Link;
}

interface Waiting {
  body: Readonly<Record<string, unknown>>;
  durable: boolean;
  done(link: Link): void;
  fail(error: unknown): void;
}

export class Journal {
  readonly #options: JournalOptions;
  #waiting: Waiting[] = [];
  #draining = false;
  #last: LastLine | null = null;
  /** Cut and not yet told, as the line that was to tell it could not be written. */
  #cutBytes = 0;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Resolves when the line is written, on the disk itself where `durable`; where it rejects, the journal is as it was. */
  append(body: Readonly<Record<string, unknown>>, durable: boolean): Promise<Link> {
    return new Promise((done, fail) => {
      this.#waiting.push({ body, durable, done, fail });
      if (!this.#draining) void this.#drain();
    });
  }

  /** Whoever waits when the turn comes is written in it: one lock, one write, one sync for all. */
  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#waiting.length > 0) {
      let batch: Waiting[] = [];
      try {
        const turn = await this.#takeTurn();
        try {
          batch = this.#waiting.splice(0);
          const links = await this.#write(batch);
          for (const [index, link] of links.entries()) batch[index]?.done(link);
        } finally {
          turn.release();
        }
      } catch (error) {
        if (batch.length === 0) batch = this.#waiting.splice(0);
        for (const { fail } of batch) fail(error);
      }
    }
    this.#draining = false;
  }

  async #takeTurn(): Promise<{ release(): void }> {
    const { turn, turnMs = TURN_MS, file } = this.#options;
    const tooLong = new AbortController();
    const timer = setTimeout(() => tooLong.abort(), turnMs);
    try {
      return await turn(tooLong.signal);
    } catch (error) {
      if (!tooLong.signal.aborted) throw error;
      throw new IsoError("internal", `"${file}" is held by another process, for longer than ${turnMs / 1000} s.`, {
        hint: "A process of this workspace root is stopped (Ctrl-Z, a debugger) while it writes a receipt: let it go on, or end it.",
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #write(batch: readonly Waiting[]): Promise<Link[]> {
    const { file } = this.#options;
    const key = this.#options.key();
    const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const { size } = fstatSync(fd);
      const { end, last } = this.#endIsKnown(fd, size) ?? findEnd(fd, size, file);
      this.#cutBytes += size - end;
      const { lines, links } = this.#seal(batch, last, key);
      const bytes = Buffer.concat(lines);
      try {
        // Over what is to be cut: a kill in between leaves an unfinished line again, never a cut that nobody tells.
        writeAll(fd, bytes, end);
        if (size > end + bytes.length) ftruncateSync(fd, end + bytes.length);
        step("receipt.written");
        if (batch.some(({ durable }) => durable)) await this.#sync(fd, size === 0);
      } catch (error) {
        ftruncateSync(fd, end);
        throw error;
      }
      this.#remember(end + bytes.length, lines.at(-1), links.at(-1));
      this.#cutBytes = 0;
      return links;
    } finally {
      closeSync(fd);
    }
  }

  #remember(end: number, line: Buffer | undefined, link: Link | undefined): void {
    this.#last = line === undefined || link === undefined || line.length > MAX_KEPT_BYTES ? null : { end, line, link };
  }

  /** Where the journal ends as we left it: the last line has the very bytes that we wrote, so it need not be judged again. */
  #endIsKnown(fd: number, size: number): { end: number; last: Link } | null {
    if (this.#last === null || size !== this.#last.end) return null;
    const { end, line, link } = this.#last;
    return readAt(fd, end - line.length, line.length).equals(line) ? { end, last: link } : null;
  }

  #seal(batch: readonly Waiting[], last: Link, key: SigningKey | null): { lines: Buffer[]; links: Link[] } {
    const lines: Buffer[] = [];
    const links: Link[] = [];
    for (const { body } of batch) {
      const before = links.at(-1) ?? last;
      const cut = links.length === 0 && this.#cutBytes > 0 ? { cutBytes: this.#cutBytes } : {};
      const sealed = sealLine({ ...body, ...cut, seq: before.seq + 1, prev: before.hash }, key);
      lines.push(Buffer.from(sealed.text));
      links.push({ seq: before.seq + 1, hash: sealed.hash });
    }
    return { lines, links };
  }

  async #sync(fd: number, isNew: boolean): Promise<void> {
    await promisify(fsync)(fd);
    if (!isNew) return;
    const folder = openSync(dirname(this.#options.file), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await promisify(fsync)(folder);
    } finally {
      closeSync(folder);
    }
  }
}

/** The place of the last whole line; `GENESIS` where there is none yet. Reads the end of the file only. */
export function readHead(file: string): Link {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return GENESIS;
    throw error;
  }
  try {
    return findEnd(fd, fstatSync(fd).size, file).last;
  } finally {
    closeSync(fd);
  }
}

function findEnd(fd: number, size: number, file: string): { end: number; last: Link } {
  for (let bytes = FIRST_LOOK_BYTES; ; bytes *= 8) {
    const from = Math.max(0, size - bytes);
    const tail = readAt(fd, from, size - from);
    const lineEnd = tail.lastIndexOf(LINE_BREAK);
    const before = lineEnd > 0 ? tail.lastIndexOf(LINE_BREAK, lineEnd - 1) : -1;
    if (from === 0 && lineEnd < 0) return { end: 0, last: GENESIS };
    if (from > 0 && before < 0 && bytes <= 2 * MAX_LINE_BYTES) continue;
    const read = readLine(tail.subarray(before + 1, lineEnd));
    if (typeof read === "string" || !read.sealed) throw damaged(file);
    return { end: from + lineEnd + 1, last: { seq: read.receipt.seq, hash: read.hash } };
  }
}

function damaged(file: string): IsoError {
  return new IsoError(
    "internal",
    `The last line of "${file}" is no receipt that we wrote, so no other can follow it.`,
    {
      hint: "`iso-runtime receipts verify` says what is wrong. Once you have looked into it, move the file away: the next run begins a new one.",
    },
  );
}
