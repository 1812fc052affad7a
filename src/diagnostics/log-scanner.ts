// Finds ERROR lines and tracebacks in the output of a program while it comes in, in bounded memory.
import { KEEP } from "../model/limits.js";
import { EndsList } from "./ends-list.js";
import { isErrorLine } from "./level-line.js";
import { LineSplitter } from "./line-splitter.js";
import { decodeUtf8, escapeControls, stripAnsi } from "./printable.js";
import { TracebackReader } from "./traceback-reader.js";
import { truncateMiddle } from "./truncate.js";

/** A line is looked at up to here. */
const MAX_LINE_BYTES = 64 * 1024;
/** An ERROR line is kept up to here. */
const MAX_KEPT_LINE_BYTES = 2 * 1024;
/** Lines without one of these cannot matter. Lower case is a level in a key's value or a bracket only; colour codes end in "m". */
const WORDS = [
  ...["ERROR", "CRITICAL", "FATAL", "Traceback", "evel", "everity", "lvl", "LEVEL", "SEVERITY"],
  ...["[error", "[critical", "[fatal", "merror", "mcritical", "mfatal"],
];
const LONGEST_WORD = Math.max(...WORDS.map((word) => word.length));
/** One expression over short texts finds them at memory speed, and leaves the heap as small as it was. */
const PIECE_BYTES = 8 * 1024;
const ANY_WORD = new RegExp(WORDS.map((word) => word.replace("[", "\\[")).join("|"));
const BEYOND_ASCII = /[\x80-\xff]/;
const NEEDS_ESCAPE = /[\x00-\x08\x0b-\x1f\x7f-\uffff]/;

export interface ScanResult {
  /** The first and the last ones where there are too many; `totals` has the true counts. */
  errorLines: string[];
  tracebacks: string[];
  totals: { errorLines: number; tracebacks: number };
}

export interface LogScannerOptions {
  errorLines?: number;
  tracebacks?: number;
  tracebackBytes?: number;
}

interface Lane {
  splitter: LineSplitter;
  tracebacks: TracebackReader;
}

export class LogScanner {
  readonly #lanes = new Map<string, Lane>();
  readonly #errorLines: EndsList<string>;
  readonly #tracebacks: EndsList<string>;
  readonly #tracebackBytes: number;

  constructor(options: LogScannerOptions = {}) {
    this.#errorLines = new EndsList(options.errorLines ?? KEEP.errorLines);
    this.#tracebacks = new EndsList(options.tracebacks ?? KEEP.tracebacks);
    this.#tracebackBytes = options.tracebackBytes ?? KEEP.tracebackBytes;
  }

  /** `stream` keeps streams apart that arrive in turns: a line of one does not tear a traceback of another. */
  push(chunk: Buffer, stream = ""): void {
    this.#lane(stream).splitter.push(chunk);
  }

  finish(): ScanResult {
    for (const { splitter, tracebacks } of this.#lanes.values()) {
      splitter.finish();
      tracebacks.finish();
    }
    this.#lanes.clear();
    return {
      errorLines: this.#errorLines.list(),
      tracebacks: this.#tracebacks.list(),
      totals: { errorLines: this.#errorLines.total, tracebacks: this.#tracebacks.total },
    };
  }

  #lane(stream: string): Lane {
    const known = this.#lanes.get(stream);
    if (known !== undefined) return known;
    const tracebacks = new TracebackReader(this.#tracebackBytes, ({ text, finalLine }) => {
      this.#tracebacks.push(text);
      if (finalLine !== null) this.#errorLines.push(bounded(finalLine));
    });
    const splitter = new LineSplitter({
      maxLineBytes: MAX_LINE_BYTES,
      onLine: (line) => {
        const raw = line.toString("latin1");
        if (!tracebacks.inside && !ANY_WORD.test(raw)) return;
        const decoded = BEYOND_ASCII.test(raw) ? decodeUtf8(line) : raw;
        const text = NEEDS_ESCAPE.test(decoded) ? escapeControls(stripAnsi(decoded), "\t") : decoded;
        if (!tracebacks.read(text) && isErrorLine(text)) this.#errorLines.push(bounded(text));
      },
      worthReading: (lines) => tracebacks.inside || hasWord(lines),
    });
    const lane = { splitter, tracebacks };
    this.#lanes.set(stream, lane);
    return lane;
  }
}

function hasWord(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    // A word may stand across the end of a piece.
    if (ANY_WORD.test(bytes.toString("latin1", at, at + PIECE_BYTES + LONGEST_WORD - 1))) return true;
  }
  return false;
}

function bounded(line: string): string {
  return truncateMiddle(line, MAX_KEPT_LINE_BYTES);
}
