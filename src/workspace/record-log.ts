// What the newest version of each workspace holds: on disk as one whole record and a line for each version since, so that a version
// costs what it changed; in memory as far as there is room. Written only by who holds the workspace's lock.
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { errnoOf } from "../safefs/errors.js";
import { applyDelta, type Delta } from "./delta.js";
import { countFiles, type RecordedTree, rowsOf, treeOf } from "./recorded-tree.js";
import { stampOf } from "./small-file.js";

export interface Known {
  /** The version. */
  readonly id: string;
  readonly tree: RecordedTree;
  /** Regular files in it. */
  readonly files: number;
}

interface Held extends Known {
  /** Which file it was read from: another process may have written since. */
  stamp: string;
  /** Bytes of the whole record, without the lines behind it. */
  wholeBytes: number;
  /** Bytes that could be read: what is behind them was cut short by a kill or a loss of power. */
  goodBytes: number;
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

  /** The record becomes that of the version `id`, which differs by `delta`. */
  append(dirName: string, id: string, delta: Delta, durable: boolean): void {
    const held = this.#get(dirName);
    if (held === null) return;
    applyDelta(held.tree, delta);
    const files = held.files - countFiles(delta.was) + countFiles(delta.now);
    const gone = [...delta.was.keys()].filter((path) => !delta.now.has(path));
    const line = Buffer.from(`${JSON.stringify({ id, gone, rows: rowsOf(delta.now) })}\n`);
    const file = this.#fileOf(dirName);
    this.#held.delete(dirName);
    const linesBytes = held.goodBytes - held.wholeBytes + line.length;
    if (lstatSync(file).size !== held.goodBytes || linesBytes > Math.max(held.wholeBytes, MIN_LINES_BYTES)) {
      this.#replace(dirName, { id, tree: held.tree, files }, durable);
      return;
    }
    appendFileSync(file, line);
    if (durable) syncFile(file);
    this.#hold(dirName, { ...held, id, files, stamp: stampOf(file), goodBytes: held.goodBytes + line.length });
  }

  replace(dirName: string, { id, tree }: Omit<Known, "files">, durable: boolean): void {
    this.#replace(dirName, { id, tree, files: countFiles(tree) }, durable);
  }

  #replace(dirName: string, { id, tree, files }: Known, durable: boolean): void {
    const file = this.#fileOf(dirName);
    const whole = Buffer.from(`${JSON.stringify({ id, gone: [], rows: rowsOf(tree) })}\n`);
    this.#held.delete(dirName);
    writeFileSync(`${file}.new`, whole, { mode: 0o600 });
    if (durable) syncFile(`${file}.new`);
    renameSync(`${file}.new`, file);
    this.#hold(dirName, { id, tree, files, stamp: stampOf(file), wholeBytes: whole.length, goodBytes: whole.length });
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
  return id === "" ? null : { id, tree, files: countFiles(tree), stamp, wholeBytes, goodBytes: at };
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

function syncFile(file: string): void {
  const fd = openSync(file, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
