// Walking a tree that may be hostile and may change meanwhile: iterative, parents before children, names in byte order.
import { opendirSync } from "node:fs";
import { DirCursor } from "./cursor.js";
import type { Dir } from "./dir.js";
import { statAt, type TreeEntry } from "./entry.js";
import { errnoOf, SafeFsError } from "./errors.js";

/** Entries libuv fetches at a time. */
const READ_AHEAD = 256;

export type Step =
  /** An entry of the directory `dir`. Set `descend` to false to stay out of it. */
  | { type: "entry"; entry: TreeEntry; dir: Dir; descend: boolean }
  /** All below `entry` was seen; `dir` is the directory that holds it. */
  | { type: "leave"; entry: TreeEntry; dir: Dir }
  /** The directory `entry` could not be opened or listed, or went away. */
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
      yield* leaveFrames(cursor, frame, frames);
      continue;
    }
    const entry = statAt(cursor.dir, name, frame.entry);
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
    try {
      frames.push({ entry, names: listDir(cursor.dir, maxNames), next: 0 });
    } catch (error) {
      cursor.leave();
      yield { type: "lost", entry, error: asSafeFsError(error) };
    }
  }
}

/** Goes up one level, and further where the levels above were moved away meanwhile. */
function* leaveFrames(cursor: DirCursor, done: Frame, frames: Frame[]): Generator<Step, void, void> {
  for (let frame: Frame | undefined = done; frame?.entry; frame = frames.pop()) {
    try {
      cursor.leave();
      yield { type: "leave", entry: frame.entry, dir: cursor.dir };
      return;
    } catch (error) {
      if (!(error instanceof SafeFsError)) throw error;
      yield { type: "lost", entry: frame.entry, error };
    }
  }
}

/** Names in a directory as bytes, sorted; no more than `maxNames`. */
function listDir(dir: Dir, maxNames = Number.POSITIVE_INFINITY): Buffer[] {
  const names: Buffer[] = [];
  try {
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
