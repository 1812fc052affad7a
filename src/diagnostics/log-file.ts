// One log of a run on disk, written by the host in a folder no program reaches: the head stays, the tail is a ring inside the
// same file, and `finish` puts both in order around a line that counts what was dropped between them.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { KEEP } from "../model/limits.js";
import { readAt, writeAll } from "../safefs/descriptor.js";
import { decodeUtf8 } from "./printable.js";
import { joinEnds, leftOut } from "./truncate.js";
import { withoutBrokenEnd, withoutBrokenStart } from "./utf8-cut.js";

/** Bytes gathered before they are written; also the step in which a log is copied. */
const BUFFER_BYTES = 256 * 1024;
const FIRST_BUFFER_BYTES = 1024;
/** A piece as large is written as it is. */
const DIRECT_BYTES = 32 * 1024;
/** Room for the line about the dropped middle. */
const MARKER_BYTES = 128;
/** How far a cut may move to stand at the end of a line. */
const LINE_REACH_BYTES = 16 * 1024;
/** People read these files. */
const MODE = 0o644;

export class LogFile {
  readonly #path: string;
  readonly #headBytes: number;
  readonly #ringBytes: number;
  #buffer = Buffer.alloc(0);
  /** Made when there is something to write: most logs are a few lines, and are written once, at their end. */
  #fd: number | null = null;
  /** Bytes of an earlier run's log in the file, which is written over. */
  #had = 0;
  #isOver = false;
  /** All of a log that has ended and was never too long for the buffer. */
  #whole: Buffer | null = null;
  #buffered = 0;
  /** Bytes handed to the file so far, as if it were unbounded. */
  #written = 0;
  #lost = 0;
  #failure: string | null = null;

  constructor(path: string, options: { maxBytes?: number } = {}) {
    const maxBytes = options.maxBytes ?? KEEP.logBytes;
    if (maxBytes < 4 * MARKER_BYTES) throw new RangeError(`a log needs room for ${4 * MARKER_BYTES} bytes`);
    this.#path = path;
    this.#headBytes = Math.floor(maxBytes / 2);
    this.#ringBytes = maxBytes - this.#headBytes - MARKER_BYTES;
  }

  /** Bytes appended, kept or not. */
  get bytes(): number {
    return this.#written + this.#buffered + this.#lost;
  }

  /** Why the disk took no more; null while all is well. A log that cannot be written never ends a run. */
  get failure(): string | null {
    return this.#failure;
  }

  append(bytes: Uint8Array): void {
    if (this.#isOver) return;
    if (bytes.length >= DIRECT_BYTES) {
      this.flush();
      this.#write(bytes);
      return;
    }
    for (let done = 0; done < bytes.length; ) {
      if (this.#buffered === BUFFER_BYTES) this.flush();
      const step = Math.min(bytes.length - done, BUFFER_BYTES - this.#buffered);
      this.#makeRoom(this.#buffered + step);
      this.#buffer.set(bytes.subarray(done, done + step), this.#buffered);
      this.#buffered += step;
      done += step;
    }
  }

  /** Hands what is gathered to the kernel. */
  flush(): void {
    if (this.#isOver) return;
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#buffered = 0;
    if (bytes.length > 0 || this.#fd === null) this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    let done = 0;
    try {
      if (this.#failure === null) this.#fd ??= this.#open();
      for (; this.#failure === null && this.#fd !== null && done < bytes.length; ) {
        const step = Math.min(bytes.length - done, this.#roomAt(this.#written));
        const wrote = writeSync(this.#fd, bytes, done, step, this.#place(this.#written));
        done += wrote;
        this.#written += wrote;
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
    this.#lost += bytes.length - done;
  }

  /** Ends the log: what is on disk afterwards reads from top to bottom. Idempotent. */
  async finish(): Promise<void> {
    if (this.#isOver) return;
    if (this.#written + this.#lost === 0) this.#whole = this.#buffer.subarray(0, this.#buffered);
    this.flush();
    this.#isOver = true;
    const fd = this.#fd;
    this.#fd = null;
    if (fd === null) return this.#leaveNone();
    try {
      if (this.#wrapped) await this.#straighten(fd);
      else if (this.#had > this.#written) ftruncateSync(fd, this.#written);
    } catch (error) {
      this.#failure ??= error instanceof Error ? error.message : String(error);
      cut(fd, Math.min(this.#written, this.#headBytes + this.#ringBytes));
    } finally {
      closeSync(fd);
    }
  }

  /** Of one that could not be opened: an earlier run's must not be taken for this one's. */
  #leaveNone(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // The failure that kept it from being opened is told.
    }
  }

  /** At most `maxBytes` of the log with its very first and last lines, and a count of what is left out between. */
  tail(maxBytes: number): string {
    const whole = this.#whole;
    if (whole !== null)
      return this.#ends(whole.length, maxBytes, (from, length) => whole.subarray(from, from + length));
    this.flush();
    const fd = this.#fd ?? openSync(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      if (this.#fd === null)
        return this.#ends(fstatSync(fd).size, maxBytes, (from, length) => readAt(fd, from, length));
      return this.#ends(this.#written, maxBytes, (from, length) => this.#readRing(fd, from, from + length));
    } finally {
      if (this.#fd === null) closeSync(fd);
    }
  }

  /** Of what reads from 0 to `end`; while the log is written to, what stood between head and ring is not there any more. */
  #ends(end: number, maxBytes: number, read: (from: number, length: number) => Buffer): string {
    if (end <= maxBytes && (this.#fd === null || !this.#wrapped)) return decodeUtf8(read(0, end));
    // The end of a log tells more than its beginning.
    const room = Math.max(0, Math.min(maxBytes, end) - MARKER_BYTES);
    const headBytes = Math.min(Math.floor(room / 4), this.#headBytes);
    const tailBytes = Math.min(room - headBytes, this.#ringBytes);
    const head = withoutBrokenEnd(read(0, headBytes));
    const tail = withoutBrokenStart(read(end - tailBytes, tailBytes));
    return joinEnds(decodeUtf8(head), decodeUtf8(tail), this.bytes - head.length - tail.length);
  }

  #open(): number {
    const fd = create(this.#path);
    this.#had = fstatSync(fd).size;
    return fd;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.min(BUFFER_BYTES, Math.max(FIRST_BUFFER_BYTES, 2 * bytes)));
    this.#buffer.copy(larger, 0, 0, this.#buffered);
    this.#buffer = larger;
  }

  get #wrapped(): boolean {
    return this.#written > this.#headBytes + this.#ringBytes;
  }

  /** Where in the file a byte of the unbounded log stands. */
  #place(offset: number): number {
    if (offset < this.#headBytes) return offset;
    return this.#headBytes + ((offset - this.#headBytes) % this.#ringBytes);
  }

  /** Bytes that follow one another in the file from there. */
  #roomAt(offset: number): number {
    if (offset < this.#headBytes) return this.#headBytes - offset;
    return this.#ringBytes - ((offset - this.#headBytes) % this.#ringBytes);
  }

  #readRing(fd: number, start: number, end: number): Buffer {
    const parts: Buffer[] = [];
    for (let at = start; at < end; ) {
      const step = Math.min(end - at, this.#roomAt(at));
      parts.push(readAt(fd, this.#place(at), step));
      at += step;
    }
    return Buffer.concat(parts);
  }

  /** Writes head, marker and tail in order to a new file, which takes the place of the old one. */
  async #straighten(fd: number): Promise<void> {
    const start = this.#written - this.#ringBytes;
    const reach = Math.min(LINE_REACH_BYTES, this.#headBytes, this.#ringBytes);
    const headEnd = this.#headBytes - afterLastNewline(readAt(fd, this.#headBytes - reach, reach));
    const tailStart = start + this.#readRing(fd, start, start + reach).indexOf(0x0a) + 1;
    const path = `${this.#path}.part`;
    const target = create(path);
    try {
      await copy(fd, target, 0, headEnd);
      const cut = headEnd > 0 && readAt(fd, headEnd - 1, 1)[0] !== 0x0a ? "\n" : "";
      writeAll(target, Buffer.from(`${cut}${leftOut(tailStart - headEnd)}\n`));
      for (let at = tailStart; at < this.#written; ) {
        const step = Math.min(this.#written - at, this.#roomAt(at));
        await copy(fd, target, this.#place(at), step);
        at += step;
      }
      renameSync(path, this.#path);
    } catch (error) {
      unlinkSync(path);
      throw error;
    } finally {
      closeSync(target);
    }
  }
}

function create(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, MODE);
}

function cut(fd: number, bytes: number): void {
  try {
    if (fstatSync(fd).size > bytes) ftruncateSync(fd, bytes);
  } catch {
    // What kept it from being put in order is told.
  }
}

/** Bytes behind the last line end; none where there is no line end at all. */
function afterLastNewline(bytes: Buffer): number {
  const newline = bytes.lastIndexOf(0x0a);
  return newline === -1 ? 0 : bytes.length - newline - 1;
}

async function copy(from: number, to: number, start: number, length: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(BUFFER_BYTES, length));
  for (let done = 0; done < length; ) {
    const bytes = readAt(from, start + done, Math.min(BUFFER_BYTES, length - done), buffer);
    if (bytes.length === 0) return;
    writeAll(to, bytes);
    done += bytes.length;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
