// A run's output as lines, as many as a tab can hold: of more than that the first ones and the newest, and a word on what lies between.
import { PLAIN, pieces, type Style, unfinished } from "./ansi.js";

export type Stream = "stdout" | "stderr" | "log";

export interface ToolRow {
  id: string;
  toolId: string;
  params: unknown;
  callReason: string | null;
  /** Null until it has returned. */
  ok: boolean | null;
  error: string | null;
  durationMs: number | null;
}

export interface Row {
  /** Of all lines of the run, from 1; null for what is no line of the program's. */
  number: number | null;
  at: string;
  kind: Stream | "tool" | "gap";
  text: string;
  /** In which it begins. */
  style: Style;
  tool?: ToolRow;
  /** The line before went on for longer than a row may be. */
  continues?: true;
}

const HEAD_ROWS = 2_000;
const NEWEST_ROWS = 50_000;
/** Dropped at a time. */
const STEP = 5_000;
const NEWEST_CHARACTERS = 16 * 1024 * 1024;
const LONGEST_ROW = 2_000;

interface Open {
  row: Row;
  /** Not yet shown: a command to the terminal of which the rest is to come. */
  rest: string;
  /** The last character was a carriage return: what comes next writes over the line. */
  returned: boolean;
}

export class Lines {
  readonly #head: Row[] = [];
  #newest: Row[] = [];
  #newestCharacters = 0;
  #dropped = 0;
  #count = 0;
  /** The line of each stream that has no end yet. */
  readonly #open = new Map<Stream, Open>();
  readonly #styles = new Map<Stream, Style>();
  readonly #gap: Row = { number: null, at: "", kind: "gap", text: "", style: PLAIN };

  /** Rows that can be shown. */
  get length(): number {
    return this.#head.length + this.#newest.length + (this.#dropped > 0 ? 1 : 0);
  }

  /** Rows that are no longer kept. */
  get dropped(): number {
    return this.#dropped;
  }

  at(index: number): Row | undefined {
    if (index < this.#head.length) return this.#head[index];
    if (this.#dropped === 0) return this.#newest[index - this.#head.length];
    if (index > this.#head.length) return this.#newest[index - this.#head.length - 1];
    this.#gap.text = `${this.#dropped.toLocaleString("en")} lines are not kept here`;
    return this.#gap;
  }

  output(stream: Stream, text: string, at: string): void {
    const isPlain = !/[\r\x1b]/.test(text);
    let from = 0;
    while (from < text.length) {
      const end = text.indexOf("\n", from);
      const isWhole = isPlain && end >= 0 && end - from <= LONGEST_ROW && !this.#open.has(stream);
      if (isWhole) {
        this.#whole(stream, text.slice(from, end), at);
      } else {
        this.#add(stream, text.slice(from, end < 0 ? text.length : end), at);
        if (end < 0) return;
        this.#end(stream, at);
      }
      from = end + 1;
    }
  }

  /** Most lines come as a whole and are nothing but text. */
  #whole(stream: Stream, text: string, at: string): void {
    this.#count += 1;
    this.#newestCharacters += text.length;
    this.#push({ number: this.#count, at, kind: stream, text, style: this.#styles.get(stream) ?? PLAIN });
  }

  tool(tool: ToolRow, at: string): void {
    this.#push({ number: null, at, kind: "tool", text: tool.toolId, style: PLAIN, tool });
  }

  #add(stream: Stream, text: string, at: string): void {
    if (text === "") return;
    const open = this.#open.get(stream) ?? this.#begin(stream, at);
    let all = open.rest + text;
    const cut = unfinished(all);
    open.rest = all.slice(all.length - cut);
    if (open.rest.length > 200) open.rest = "";
    all = all.slice(0, all.length - cut);
    // What stands before a carriage return is written over by what comes behind it, if anything does.
    const body = all.replace(/\r+$/, "");
    const isReturned = body.length < all.length || (open.returned && body === "");
    const last = body.lastIndexOf("\r");
    if (body !== "" && (open.returned || last >= 0)) open.row.text = "";
    open.returned = isReturned;
    this.#write(stream, open, body.slice(last + 1), at);
  }

  #write(stream: Stream, open: Open, text: string, at: string): void {
    let rest = text;
    let current = open;
    for (;;) {
      const room = LONGEST_ROW - current.row.text.length;
      const taken = rest.slice(0, Math.max(0, room));
      current.row.text += taken;
      this.#newestCharacters += taken.length;
      rest = rest.slice(taken.length);
      if (rest === "") return;
      this.#styles.set(stream, pieces(current.row.text, current.row.style).style);
      const row = this.#push({ ...this.#blank(stream, at), number: null, continues: true });
      current = { ...current, row };
      this.#open.set(stream, current);
    }
  }

  #begin(stream: Stream, at: string): Open {
    this.#count += 1;
    const row = this.#push({ ...this.#blank(stream, at), number: this.#count });
    const open = { row, rest: "", returned: false };
    this.#open.set(stream, open);
    return open;
  }

  #end(stream: Stream, at: string): void {
    const { row } = this.#open.get(stream) ?? this.#begin(stream, at);
    if (row.text.includes("\x1b")) this.#styles.set(stream, pieces(row.text, row.style).style);
    this.#open.delete(stream);
  }

  #blank(stream: Stream, at: string): Omit<Row, "number"> {
    return { at, kind: stream, text: "", style: this.#styles.get(stream) ?? PLAIN };
  }

  #push(row: Row): Row {
    if (this.#head.length < HEAD_ROWS) {
      this.#head.push(row);
      return row;
    }
    this.#newest.push(row);
    if (this.#newest.length > NEWEST_ROWS + STEP || this.#newestCharacters > NEWEST_CHARACTERS) this.#drop();
    return row;
  }

  #drop(): void {
    // Lines that were written over count once.
    this.#newestCharacters = this.#newest.reduce((sum, { text }) => sum + text.length, 0);
    if (this.#newest.length <= NEWEST_ROWS + STEP && this.#newestCharacters <= NEWEST_CHARACTERS) return;
    const gone = this.#newest.slice(0, Math.max(STEP, this.#newest.length - NEWEST_ROWS));
    this.#newest = this.#newest.slice(gone.length);
    this.#dropped += gone.length;
    this.#newestCharacters = this.#newest.reduce((sum, { text }) => sum + text.length, 0);
  }
}
