// Bytes in chunks of any split become lines, each bounded. \n, \r\n and a lone \r (a progress bar's) end a line.

const LF = 0x0a;
const CR = 0x0d;

export interface LineSplitterOptions {
  /** A longer line is cut there; what follows up to its end is passed over. */
  maxLineBytes: number;
  onLine(line: Buffer): void;
  /** False for whole lines that nobody needs to look at; saves splitting them. */
  worthReading(lines: Buffer): boolean;
}

export class LineSplitter {
  readonly #options: LineSplitterOptions;
  /** The unfinished line; allocated when the first one is left unfinished. */
  #held: Buffer | null = null;
  #heldBytes = 0;
  /** True from the first byte of a line that is unfinished, even if it is empty so far. */
  #open = false;
  #afterCr = false;

  constructor(options: LineSplitterOptions) {
    this.#options = options;
  }

  push(chunk: Buffer): void {
    let start = 0;
    if (this.#afterCr && chunk.length > 0) {
      if (chunk[0] === LF) start = 1;
      this.#afterCr = false;
    }
    const first = firstEnd(chunk, start);
    if (first === -1) {
      this.#hold(chunk.subarray(start));
      return;
    }
    this.#finishHeld(chunk.subarray(start, first));
    const rest = afterEnd(chunk, first);
    const last = Math.max(chunk.lastIndexOf(LF), chunk.lastIndexOf(CR));
    if (rest <= last) this.#whole(chunk.subarray(rest, last + 1));
    this.#afterCr = chunk[chunk.length - 1] === CR;
    if (last + 1 < chunk.length) this.#hold(chunk.subarray(last + 1));
  }

  /** The last line, where it has no end. */
  finish(): void {
    if (this.#open) this.#finishHeld(Buffer.alloc(0));
  }

  #whole(lines: Buffer): void {
    if (!this.#options.worthReading(lines)) return;
    for (let start = 0; start < lines.length; ) {
      const end = firstEnd(lines, start);
      this.#options.onLine(lines.subarray(start, Math.min(end, start + this.#options.maxLineBytes)));
      start = afterEnd(lines, end);
    }
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#open = true;
    this.#held ??= Buffer.allocUnsafe(this.#options.maxLineBytes);
    this.#heldBytes += bytes.copy(this.#held, this.#heldBytes, 0, this.#options.maxLineBytes - this.#heldBytes);
  }

  #finishHeld(bytes: Buffer): void {
    if (!this.#open) {
      this.#options.onLine(bytes.subarray(0, this.#options.maxLineBytes));
      return;
    }
    this.#hold(bytes);
    const line = this.#held?.subarray(0, this.#heldBytes) ?? bytes;
    this.#heldBytes = 0;
    this.#open = false;
    this.#options.onLine(line);
  }
}

function firstEnd(bytes: Buffer, start: number): number {
  const newline = bytes.indexOf(LF, start);
  const limit = newline === -1 ? bytes.length : newline;
  const cr = bytes.subarray(start, limit).indexOf(CR);
  return cr === -1 ? newline : start + cr;
}

function afterEnd(bytes: Buffer, end: number): number {
  return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1;
}
