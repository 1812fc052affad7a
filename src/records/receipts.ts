// The journal of receipts: one line a run, each with the hash of the line before. Several processes append to one file in turns; a
// line that a dying process or a full disk cut off was acknowledged to nobody, and the next append removes it and says so.
import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { IsoError } from "../model/errors.js";
import { step } from "../model/steps.js";
import { RECEIPT_SCHEMA, type Receipt, sha256 } from "./receipt.js";
import type { SigningKey } from "./receipt-key.js";

/** What the first line says in place of a hash. */
export const NO_HASH = "0".repeat(64);
/** A line is far shorter; a longer one is none of ours. */
export const MAX_LINE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Runs `work` while no other process that appends does. */
export type Exclusively = <T>(work: () => Promise<T>) => Promise<T>;

interface Tail {
  readonly seq: number;
  readonly hash: string;
  /** Where the last whole line ends. */
  readonly end: number;
}

export const receiptsFile = (stateDir: string): string => join(stateDir, "receipts.jsonl");

export class Receipts {
  readonly #file: string;
  readonly #exclusively: Exclusively;
  readonly #key: SigningKey | null;
  /** What this process wrote last, and of which file: as long as that is the end of it, nothing is read. */
  #known: (Tail & { ino: number }) | null = null;

  constructor(stateDir: string, exclusively: Exclusively, key: SigningKey | null) {
    this.#file = receiptsFile(stateDir);
    this.#exclusively = exclusively;
    this.#key = key;
  }

  /** Throws where the receipt is not in the journal; the journal is as it was then. `durable` writes it through to the disk. */
  async append(receipt: Receipt, durable: boolean): Promise<void> {
    await this.#exclusively(async () => {
      const fd = openSync(
        this.#file,
        constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        this.#append(fd, receipt);
        if (durable) await promisify(fdatasync)(fd);
      } finally {
        closeSync(fd);
      }
    });
  }

  #append(fd: number, receipt: Receipt): void {
    const { size, ino } = fstatSync(fd);
    const known = this.#known;
    this.#known = null;
    const tail = known?.ino === ino && known.end === size ? known : readTail(fd, size);
    if (tail.end < size) ftruncateSync(fd, tail.end);
    const line = this.#seal({
      ...{ schema: RECEIPT_SCHEMA, seq: tail.seq + 1, prev: tail.hash, at: new Date().toISOString() },
      ...receipt,
      ...(tail.end < size && { removedBefore: size - tail.end }),
    });
    const bytes = Buffer.from(`${line}\n`);
    try {
      writeWhole(fd, bytes);
      step("receipt.written");
    } catch (error) {
      ftruncateSync(fd, tail.end);
      throw error;
    }
    this.#known = { ino, seq: tail.seq + 1, hash: sha256(line), end: tail.end + bytes.length };
  }

  #seal(fields: object): string {
    if (this.#key === null) return JSON.stringify(fields);
    const unsigned = JSON.stringify({ ...fields, key: this.#key.id });
    return `${unsigned.slice(0, -1)},"signature":"${this.#key.sign(unsigned)}"}`;
  }
}

function writeWhole(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** The last whole line; what follows it is one that was cut off. */
function readTail(fd: number, size: number): Tail {
  const length = Math.min(size, 2 * MAX_LINE_BYTES);
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const read = readSync(fd, bytes, done, length - done, size - length + done);
    if (read === 0) throw unreadable("it became shorter while it was read");
    done += read;
  }
  const newline = bytes.lastIndexOf(NEWLINE);
  if (newline < 0 && size <= MAX_LINE_BYTES) return { seq: 0, hash: NO_HASH, end: 0 };
  const start = newline <= 0 ? 0 : bytes.lastIndexOf(NEWLINE, newline - 1) + 1;
  const line = bytes.subarray(start, newline);
  const seq = newline < 0 ? null : seqOf(line);
  if (seq === null) throw unreadable("its last line is no receipt");
  return { seq, hash: sha256(line), end: size - length + newline + 1 };
}

function seqOf(line: Buffer): number | null {
  try {
    const parsed: unknown = JSON.parse(line.toString());
    const seq = typeof parsed === "object" && parsed !== null && "seq" in parsed ? parsed.seq : null;
    return typeof seq === "number" && Number.isSafeInteger(seq) && seq > 0 ? seq : null;
  } catch {
    return null;
  }
}

function unreadable(reason: string): IsoError {
  return new IsoError("internal", `The journal of receipts cannot be continued: ${reason}.`, {
    hint: "`iso-runtime receipts verify` says where it is broken; move the file away to begin a new one.",
  });
}
