// Walking a tree that may be hostile and may change meanwhile: iterative, parents before children, names in byte order.
import { opendirSync, readdirSync } from "node:fs";
import { DirCursor } from "./cursor.js";
import type { Dir } from "./dir.js";
import { statAt, type TreeEntry } from "./entry.js";
import { errnoOf, SafeFsError } from "./errors.js";

/** The shortest entry of a list takes eight bytes on any file system. */
const SHORT_LIST_BYTES = 16 * 1024;
/** Entries libuv fetches at a time. */
const READ_AHEAD = 256;

export type Step =
  /** An entry of the directory `dir`. Set `descend` to false to stay out of it. */
  | { type: "entry"; entry: TreeEntry; dir: Dir; descend: boolean }
  /** All below `entry` was seen; `dir` is the directory that holds it. */
  | { type: "leave"; entry: TreeEntry; dir: Dir }
  /** The directory `entry` could not be opened, listed or looked through to its end, or went away. */
  | { type: "lost"; entry: TreeEntry; error: SafeFsError };

interface Frame {
  entry: TreeEntry | null;
  names: Buffer[];
  next: number;
}

/** All of a tree below `root`, step by step. A directory that is entered yields a `leave` later, or a `lost`. */
export function* traverse(root: Dir, maxNames = Number.POSITIVE_INFINITY): Generator<Step, void, void> {
  using cursor = new DirCursor(root);
  const frames: Frame[] = [{ entry: null, names: listDir(root, maxNames), next: 0 }];
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const name = frame.names[frame.next++];
    if (name === undefined) {
      frames.pop();
      yield* leaveFrames(cursor, frame, frames, null);
      continue;
    }
    let entry: TreeEntry | null;
    try {
      entry = statAt(cursor.dir, name, frame.entry);
    } catch (error) {
      if (frame.entry === null) throw error;
      frames.pop();
      yield* leaveFrames(cursor, frame, frames, asSafeFsError(error));
      continue;
    }
    if (entry === null) continue;
    const step: Step = { type: "entry", entry, dir: cursor.dir, descend: entry.kind === "dir" };
    yield step;
    if (!step.descend || entry.kind !== "dir") continue;
    try {
      cursor.enter(name);
    } catch (error) {
      yield { type: "lost", entry, error: asSafeFsError(error) };
      continue;
    }
    let names: Buffer[];
    try {
      names = listDir(cursor.dir, maxNames);
    } catch (error) {
      yield* leaveFrames(cursor, { entry, names: [], next: 0 }, frames, asSafeFsError(error));
      continue;
    }
    frames.push({ entry, names, next: 0 });
  }
}

/**
 * Goes up one level, and further where the levels above were moved away meanwhile: what those still held was not seen, so they
 * are lost. `error` is why the lowest one was not seen to its end, or null.
 */
function* leaveFrames(
  cursor: DirCursor,
  lowest: Frame,
  frames: Frame[],
  error: SafeFsError | null,
): Generator<Step, void, void> {
  let why = error;
  for (let frame: Frame | undefined = lowest; frame?.entry; frame = frames.pop()) {
    const { entry } = frame;
    let isAbove = false;
    try {
      cursor.leave();
      isAbove = true;
    } catch (moved) {
      why = asSafeFsError(moved);
    }
    yield why === null ? { type: "leave", entry, dir: cursor.dir } : { type: "lost", entry, error: why };
    if (isAbove) return;
  }
}

/** Names in a directory as bytes, sorted; no more than `maxNames`. */
function listDir(dir: Dir, maxNames = Number.POSITIVE_INFINITY): Buffer[] {
  const names: Buffer[] = [];
  try {
    // One call where that cannot be many names; a handle costs more than a short list.
    if (dir.stats.size > 0n && dir.stats.size <= SHORT_LIST_BYTES && maxNames > SHORT_LIST_BYTES)
      return readdirSync(dir.base, { encoding: "buffer" }).sort(Buffer.compare);
    // The types of @types/node know `encoding: "buffer"` for readdir only.
    const handle = opendirSync(dir.base, { encoding: "buffer" as BufferEncoding, bufferSize: READ_AHEAD });
    try {
      for (let found = handle.readSync(); found !== null && names.length < maxNames; found = handle.readSync()) {
        const name: unknown = found.name;
        names.push(Buffer.isBuffer(name) ? name : Buffer.from(String(name)));
      }
    } finally {
      handle.closeSync();
    }
  } catch (error) {
    throw new SafeFsError("unreadable", `a directory cannot be listed: ${errnoOf(error)}`, error);
  }
  return names.sort(Buffer.compare);
}

function asSafeFsError(error: unknown): SafeFsError {
  return error instanceof SafeFsError ? error : new SafeFsError("io", String(error), error);
}
