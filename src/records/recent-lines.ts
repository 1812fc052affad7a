// The newest lines of a journal, from its end backwards and no further than so many bytes: whoever asks over the network must not
// have a file of years read for it.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { KiB } from "../model/limits.js";
import { errnoOf } from "../safefs/errors.js";

const CHUNK_BYTES = 256 * KiB;
const LINE_BREAK = 10;

/** Whole lines without their break, the newest first. A line that reaches further back than `maxBytes` is left out. */
export async function* recentLines(file: string, maxBytes: number): AsyncGenerator<Buffer, void, undefined> {
  await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return null;
    throw error;
  });
  if (handle === null) return;
  const { size } = await handle.stat();
  const first = Math.max(0, size - maxBytes);
  /** The pieces of the line that is not whole yet, the last one first. */
  let pieces: Buffer[] = [];
  // What stands behind the last line break is being written.
  let isWhole = false;
  for (let end = size; end > first; ) {
    const start = Math.max(first, end - CHUNK_BYTES);
    const chunk = await readExactly(handle, start, end - start);
    let to = chunk.length;
    for (let at = chunk.lastIndexOf(LINE_BREAK); at >= 0; at = at === 0 ? -1 : chunk.lastIndexOf(LINE_BREAK, at - 1)) {
      if (isWhole) yield Buffer.concat([chunk.subarray(at + 1, to), ...pieces.toReversed()]);
      pieces = [];
      isWhole = true;
      to = at;
    }
    pieces.push(chunk.subarray(0, to));
    end = start;
  }
  if (isWhole && first === 0) yield Buffer.concat(pieces.toReversed());
}

/** Shorter where the file became so meanwhile. */
async function readExactly(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const chunk = Buffer.alloc(bytes);
  const { bytesRead } = await handle.read(chunk, 0, bytes, position);
  return chunk.subarray(0, bytesRead);
}
