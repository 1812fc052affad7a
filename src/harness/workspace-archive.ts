// The files of a workspace, or of a folder of it, to be read one after another as they were at one moment: a run that ends meanwhile puts a
// new tree in the place of this one, which stays as it is. One that cannot be read as it was breaks off the reading.

import { isUtf8 } from "node:buffer";
import { closeSync, createReadStream, fstatSync } from "node:fs";
import { IsoError } from "../model/errors.js";
import { GiB, KiB } from "../model/limits.js";
import { type Entry, SafeFsError, type Tree } from "../safefs/tree.js";

export const ARCHIVE_BOUNDS = { files: 20_000, bytes: 2 * GiB };
/** Looked at for it, folders and links too. */
const MAX_ENTRIES = 200_000;
const READ_BYTES = 256 * KiB;

export interface ArchivedFile {
  /** Relative, of plain letters: what no archive's name may have is written as %XX. */
  readonly name: string;
  readonly bytes: number;
  readonly mtime: Date;
  readonly isExecutable: boolean;
  /** Throws where the file is another one by now. */
  read(): AsyncGenerator<Buffer>;
}

export interface Archive extends Disposable {
  readonly files: readonly ArchivedFile[];
  /** Links and what else is no file. */
  readonly leftOut: number;
}

/** `tree` is the archive's to close, also where this throws. `folder` may be a file too. */
export async function openArchive(
  tree: Tree,
  folder: string | null,
  bounds: typeof ARCHIVE_BOUNDS = ARCHIVE_BOUNDS,
): Promise<Archive> {
  try {
    const files: ArchivedFile[] = [];
    let leftOut = 0;
    let bytes = 0;
    const wanted = folder === null ? null : Buffer.from(folder);
    if (wanted !== null && tree.stat(wanted) === null) throw none(folder);
    const skip = (path: Buffer) => wanted !== null && !isWithin(path, wanted) && !isWithin(wanted, path);
    for await (const entry of tree.walk({ maxEntries: MAX_ENTRIES + 1, skip })) {
      if (entry.kind === "dir" || (wanted !== null && !isWithin(entry.path, wanted))) continue;
      if (entry.kind !== "file") {
        leftOut += 1;
        continue;
      }
      files.push(archived(tree, entry));
      bytes += entry.size;
      if (files.length > bounds.files || bytes > bounds.bytes || leftOut > MAX_ENTRIES) throw tooMuch(bounds);
    }
    if (wanted !== null && files.length === 0 && tree.stat(wanted)?.kind !== "dir") throw none(folder);
    return { files, leftOut, [Symbol.dispose]: () => tree.close() };
  } catch (error) {
    tree.close();
    if (!(error instanceof SafeFsError) || error.reason !== "invalid_path") throw error;
    const hint = "A path is relative to the workspace's files, as `workspace ls` lists them.";
    throw new IsoError("invalid_request", `path: ${error.message}`, { field: "path", hint });
  }
}

/** Whether a path is the other one or lies below it. */
function isWithin(path: Buffer, above: Buffer): boolean {
  if (path.length < above.length || !path.subarray(0, above.length).equals(above)) return false;
  return path.length === above.length || path[above.length] === 0x2f;
}

function archived(tree: Tree, entry: Entry): ArchivedFile {
  const { path, size, mtimeNs, mode } = entry;
  return {
    name: archiveName(path),
    bytes: size,
    mtime: new Date(Number(mtimeNs / 1_000_000n)),
    isExecutable: (mode & 0o111) !== 0,
    async *read() {
      const fd = tree.openFile(path);
      try {
        isSame(fd, entry);
        // The descriptor is closed here, once, whoever leaves when.
        if (size > 0)
          yield* createReadStream("", { fd, start: 0, end: size - 1, highWaterMark: READ_BYTES, autoClose: false });
        isSame(fd, entry);
      } finally {
        closeSync(fd);
      }
    },
  };
}

function isSame(fd: number, { ino, size, ctimeNs, path }: Entry): void {
  const now = fstatSync(fd, { bigint: true });
  if (now.ino === ino && now.size === BigInt(size) && now.ctimeNs === ctimeNs) return;
  throw new IsoError("conflict", `"${archiveName(path)}" was changed while the archive was made.`);
}

/** One name for each path: a byte that is no part of UTF-8, and letters that mean something to those who unpack, become %XX. */
export function archiveName(path: Buffer): string {
  const text = isUtf8(path) ? path.toString() : escapeBytes(path);
  return text
    .replace(/%(?=[0-9A-F]{2})/g, (percent) => (isUtf8(path) ? hex(percent) : percent))
    .replace(/[\\\x00-\x1f\x7f]/g, hex)
    .replace(/^([A-Za-z]):/, (_, letter: string) => `${letter}%3A`);
}

function escapeBytes(path: Buffer): string {
  let text = "";
  for (const byte of path) text += byte >= 0x80 || byte === 0x25 ? hexOf(byte) : String.fromCharCode(byte);
  return text;
}

const hexOf = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
const hex = (letter: string): string => hexOf(letter.charCodeAt(0));

function none(folder: string | null): IsoError {
  return new IsoError("not_found", `"${folder}": there is no such file or folder in the workspace.`, { field: "path" });
}

function tooMuch({ files, bytes }: typeof ARCHIVE_BOUNDS): IsoError {
  return new IsoError("too_large", `An archive has at most ${files} files and ${bytes / GiB} GiB.`, {
    field: "path",
    hint: "Ask for a folder with `path`, or for files by themselves.",
  });
}
