// What the newest version of each workspace holds: on disk as one whole record and a line for each version since, so that a version
// costs what it changed; in memory as far as there is room. Written only by who holds the workspace's lock.
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { writeAll } from "../safefs/descriptor.js";
import { errnoOf } from "../safefs/errors.js";
import { applyDelta, type Delta } from "./delta.js";
import { countFiles, type RecordedTree, rowsOf, treeOf } from "./recorded-tree.js";
import { stampFrom, stampOf } from "./small-file.js";

export interface Known {
  /** The version. */
  readonly id: string;
  readonly tree: RecordedTree;
  /** Regular files in it. */
  readonly files: number;
}

/** From one version to the next. */
interface Step {
  id: string;
  before: string | null;
  delta: Delta;
}

interface Held extends Known {
  /** Which file it was read from: another process may have written since. */
  stamp: string;
  /** Bytes of the whole record, without the lines behind it. */
  wholeBytes: number;
  /** Bytes that could be read: what is behind them was cut short by a kill or a loss of power. */
  goodBytes: number;
  /** Bytes of the file. */
  bytes: number;
}

/** Rows of all records that are held in memory together, about 400 bytes each. */
const MAX_ROWS_HELD = 400_000;
/** Lines may take this much before the record is written anew as a whole, or as much as it takes itself. */
const MIN_LINES_BYTES = 256 * 1024;

export class RecordLogs {
  readonly #fileOf: (dirName: string) => string;
  /** The one used last is at the end. */
  readonly #held = new Map<string, Held>();

  constructor(fileOf: (dirName: string) => string) {
    this.#fileOf = fileOf;
  }

  /** Null where there is none, or none that can be read. The tree is the log's own. */
  get(dirName: string): Known | null {
    return this.#get(dirName);
  }

  /** Where it is that of the version `before`, the record becomes that of `id`, which differs by `delta`. */
  append(dirName: string, { id, before, delta }: Step, durable: boolean): void {
    const held = this.#get(dirName);
    if (held === null || held.id !== before) return;
    applyDelta(held.tree, delta);
    const files = held.files - countFiles(delta.was) + countFiles(delta.now);
    const gone = [...delta.was.keys()].filter((path) => !delta.now.has(path));
    const line = Buffer.from(`${JSON.stringify({ id, gone, rows: rowsOf(delta.now) })}\n`);
    const file = this.#fileOf(dirName);
    this.#held.delete(dirName);
    const linesBytes = held.goodBytes - held.wholeBytes + line.length;
    if (held.bytes !== held.goodBytes || linesBytes > Math.max(held.wholeBytes, MIN_LINES_BYTES)) {
      this.#replace(dirName, { id, tree: held.tree, files }, durable);
      return;
    }
    const stamp = appendTo(file, line, durable);
    const bytes = held.goodBytes + line.length;
    this.#hold(dirName, { ...held, id, files, stamp, goodBytes: bytes, bytes });
  }

  replace(dirName: string, { id, tree }: Omit<Known, "files">, durable: boolean): Known {
    const known = { id, tree, files: countFiles(tree) };
    this.#replace(dirName, known, durable);
    return known;
  }

  #replace(dirName: string, { id, tree, files }: Known, durable: boolean): void {
    const file = this.#fileOf(dirName);
    const whole = Buffer.from(`${JSON.stringify({ id, gone: [], rows: rowsOf(tree) })}\n`);
    this.#held.delete(dirName);
    writeFileSync(`${file}.new`, whole, { mode: 0o600 });
    if (durable) syncFile(`${file}.new`);
    renameSync(`${file}.new`, file);
    const bytes = whole.length;
    this.#hold(dirName, { id, tree, files, stamp: stampOf(file), wholeBytes: bytes, goodBytes: bytes, bytes });
  }

  remove(dirName: string): void {
    this.#held.delete(dirName);
    try {
      unlinkSync(this.#fileOf(dirName));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  #get(dirName: string): Held | null {
    const file = this.#fileOf(dirName);
    const held = this.#held.get(dirName);
    const stamp = stampOf(file);
    const found = held !== undefined && held.stamp === stamp ? held : readLog(file, stamp);
    this.#held.delete(dirName);
    if (found !== null) this.#hold(dirName, found);
    return found;
  }

  #hold(dirName: string, held: Held): void {
    this.#held.set(dirName, held);
    let rows = [...this.#held.values()].reduce((sum, { tree }) => sum + tree.size, 0);
    for (const [name, { tree }] of this.#held) {
      if (rows <= MAX_ROWS_HELD) return;
      rows -= tree.size;
      this.#held.delete(name);
    }
  }
}

/** The record as it stands in a file; its lines as far as they are whole. */
export function readLog(file: string, stamp = stampOf(file)): Held | null {
  if (stamp === "") return null;
  const text = readFileSync(file);
  const tree: RecordedTree = new Map();
  let [id, wholeBytes, at] = ["", 0, 0];
  for (let end = text.indexOf(NEWLINE); end !== -1; end = text.indexOf(NEWLINE, at)) {
    const line = readLine(text.toString("utf8", at, end), file);
    if (line === null) break;
    at = end + 1;
    if (id === "") wholeBytes = at;
    id = line.id;
    for (const path of line.gone) tree.delete(path);
    for (const [path, recorded] of line.rows) tree.set(path, recorded);
  }
  return id === "" ? null : { id, tree, files: countFiles(tree), stamp, wholeBytes, goodBytes: at, bytes: text.length };
}

const NEWLINE = 0x0a;

function readLine(text: string, source: string): { id: string; gone: string[]; rows: RecordedTree } | null {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line !== "object" || line === null || !("id" in line && "gone" in line && "rows" in line)) return null;
    const { id, gone, rows } = line;
    if (typeof id !== "string" || !Array.isArray(gone)) return null;
    return { id, gone: gone.map(String), rows: treeOf(rows, source) };
  } catch {
    return null;
  }
}

/** The stamp of the file with the line. */
function appendTo(file: string, line: Buffer, durable: boolean): string {
  const fd = openSync(file, "a", 0o600);
  try {
    writeAll(fd, line);
    if (durable) fsyncSync(fd);
    return stampFrom(fstatSync(fd, { bigint: true }));
  } finally {
    closeSync(fd);
  }
}

function syncFile(file: string): void {
  const fd = openSync(file, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
