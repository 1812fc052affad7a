// A table out of text, within bounds: a program made it, and it may be of any size and no table at all.

export interface Table {
  columns: string[];
  rows: string[][];
  /** There is more of it than is shown. */
  isCut: boolean;
}

export interface CsvBounds {
  rows: number;
  columns: number;
  cell: number;
}

const CSV_BOUNDS: CsvBounds = { rows: 5_000, columns: 60, cell: 2_000 };
const SEPARATORS = [",", ";", "\t", "|"];

/** The text may be the first part of a file: with `isPart` a last line without an end is left out. */
export function parseCsv(text: string, isPart = false, bounds: CsvBounds = CSV_BOUNDS): Table {
  const start = text.startsWith("\ufeff") ? text.slice(1) : text;
  const { rows, isCut } = split(start, separatorOf(start), bounds, isPart);
  const [head = [], ...rest] = rows;
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const columns = Array.from({ length: width }, (_, index) => head[index] ?? "");
  return { columns, rows: rest, isCut: isCut || isPart };
}

/** The one that the first line has most of. */
function separatorOf(text: string): string {
  const first = text.slice(0, Math.min(text.indexOf("\n") < 0 ? text.length : text.indexOf("\n"), 10_000));
  const counts = SEPARATORS.map((separator) => first.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))] ?? ",";
}

function split(
  text: string,
  separator: string,
  bounds: CsvBounds,
  isPart: boolean,
): { rows: string[][]; isCut: boolean } {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  let isCut = false;
  const add = (cell: string) => {
    if (row.length < bounds.columns) row.push(cell.slice(0, bounds.cell));
    else isCut = true;
  };
  while (at < text.length) {
    if (rows.length > bounds.rows) return { rows, isCut: true };
    const cell = text[at] === '"' ? quoted(text, at) : bare(text, at, separator);
    add(cell.text);
    at = cell.end;
    if (text[at] === separator) {
      at += 1;
      if (at === text.length) add("");
      continue;
    }
    // The whole of a line, or what is left of a text that is a part.
    if (at >= text.length && isPart) return { rows, isCut: true };
    rows.push(row);
    row = [];
    if (text[at] === "\r") at += 1;
    if (text[at] === "\n") at += 1;
  }
  if (row.length > 0 && !isPart) rows.push(row);
  return { rows, isCut };
}

function bare(text: string, from: number, separator: string): { text: string; end: number } {
  let end = from;
  while (end < text.length && text[end] !== separator && text[end] !== "\n" && text[end] !== "\r") end += 1;
  return { text: text.slice(from, end), end };
}

function quoted(text: string, from: number): { text: string; end: number } {
  let at = from + 1;
  let found = "";
  for (;;) {
    const end = text.indexOf('"', at);
    if (end < 0) return { text: found + text.slice(at), end: text.length };
    found += text.slice(at, end);
    if (text[end + 1] !== '"') {
      const rest = /^[^,;|\t\r\n]*/.exec(text.slice(end + 1, end + 1000))?.[0] ?? "";
      return { text: found + rest, end: end + 1 + rest.length };
    }
    found += '"';
    at = end + 2;
  }
}

/** Numbers by their value and before texts, what is empty last. */
export function compareCells(a: string, b: string): number {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== null && right !== null) return left - right;
  if (left !== null || right !== null) return left !== null ? -1 : 1;
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function numberOf(cell: string): number | null {
  if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*%?$/i.test(cell)) return null;
  return Number.parseFloat(cell);
}
