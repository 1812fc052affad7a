// Reads the journal line by line, however long it is, also while others append to it.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { KiB } from "../model/limits.js";
import { errnoOf } from "../safefs/errors.js";
import { MAX_LINE_BYTES } from "./receipt-line.js";

const CHUNK_BYTES = 256 * KiB;
const LINE_BREAK = 10;
/** An append under way is over by then. */
const LOOK_AGAIN_MS = 30;
const LOOKS = 4;

/**
 * Yields lines without their break; returns the bytes of an unfinished last one, null where there is no journal. Lines beyond
 * MAX_LINE_BYTES come cut.
 */
export async function* journalLines(file: string): AsyncGenerator<Buffer, number | null, undefined> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  });
  if (handle === null) return null;
  let lineStart = 0;
  for (let look = 1; ; look++) {
    const before = lineStart;
    const lines = linesFrom(handle, lineStart);
    let next = await lines.next();
    for (; !next.done; next = await lines.next()) {
      lineStart = next.value.end;
      yield next.value.line;
    }
    const unfinished = next.value;
    if (unfinished === 0 || look >= LOOKS) return unfinished;
    // From its beginning again: another process may have cut it and written its own.
    if (lineStart !== before) look = 1;
    await sleep(LOOK_AGAIN_MS);
  }
}

async function* linesFrom(
  handle: FileHandle,
  start: number,
): AsyncGenerator<{ line: Buffer; end: number }, number, undefined> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let parts: Buffer[] = [];
  let kept = 0;
  let length = 0;
  let position = start;
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return length;
    for (let from = 0; from < bytesRead; ) {
      const at = chunk.subarray(0, bytesRead).indexOf(LINE_BREAK, from);
      const to = at < 0 ? bytesRead : at;
      length += to - from;
      // One byte too many is enough to be refused.
      const room = Math.min(to - from, MAX_LINE_BYTES + 1 - kept);
      parts.push(Buffer.from(chunk.subarray(from, from + room)));
      kept += room;
      from = to + 1;
      if (at < 0) continue;
      yield { line: Buffer.concat(parts), end: position + at + 1 };
      parts = [];
      kept = 0;
      length = 0;
    }
    position += bytesRead;
  }
}
