// Copying, comparing and hashing the bytes of regular files that are already open. Holes stay holes.
import { createHash } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  constants,
  copyFile,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import type { OpenFile } from "./dir.js";
import { SafeFsError } from "./errors.js";
import { pacer } from "./pace.js";

const copyFileAsync = promisify(copyFile);

const CHUNK_BYTES = 256 * 1024;
/** From this size on the kernel copies, in another thread and by reference where the file system can. */
const KERNEL_COPY_BYTES = 1024 * 1024;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** Shared by all copies and compares: each fills and empties it between two turns of the event loop. */
const bufferA = Buffer.allocUnsafe(CHUNK_BYTES);
const bufferB = Buffer.allocUnsafe(CHUNK_BYTES);

type Shape = Pick<BigIntStats, "size" | "blocks" | "mode">;

/**
 * Copies an open file to a new file and returns the descriptor of the copy. `target` lies in a folder only we write to. What is
 * added to the file meanwhile is left out, so that one that is written faster than it is read comes to an end as well.
 */
export async function copyToNewFile(source: number, shape: Shape, target: Buffer): Promise<number> {
  const sparse = shape.blocks * 512n < shape.size;
  if (!sparse && shape.size >= KERNEL_COPY_BYTES && (await copyInKernel(source, shape, target)))
    return openSync(target, constants.O_RDWR | constants.O_NOFOLLOW);
  const copy = openSync(target, CREATE, 0o600);
  try {
    const size = await copyChunks(source, copy, Number(shape.size));
    if (sparse) ftruncateSync(copy, size);
    return copy;
  } catch (error) {
    closeSync(copy);
    throw error;
  }
}

async function copyInKernel(source: number, shape: Shape, target: Buffer): Promise<boolean> {
  if (process.platform !== "linux") return false;
  // The mode is taken over from the source; without the owner's bits the copy could not be opened again, nor the source.
  if ((shape.mode & 0o600n) !== 0o600n) return false;
  await copyFileAsync(`/proc/self/fd/${source}`, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  return true;
}

async function copyChunks(source: number, copy: number, size: number): Promise<number> {
  const pause = pacer();
  for (let at = 0; ; ) {
    const length = readSync(source, bufferA, 0, Math.min(CHUNK_BYTES, size - at), at);
    if (length === 0) return at;
    const chunk = bufferA.subarray(0, length);
    const hole = length === CHUNK_BYTES && chunk.equals(ZEROS);
    for (let done = 0; !hole && done < length; ) done += writeSync(copy, chunk, done, length - done, at + done);
    at += length;
    await pause();
  }
}

/** True when two open files hold the same bytes. */
export async function sameBytes(a: OpenFile, b: OpenFile): Promise<boolean> {
  if (a.stats.size !== b.stats.size) return false;
  const size = Number(a.stats.size);
  const pause = pacer();
  for (let at = 0; at < size; ) {
    const wanted = Math.min(CHUNK_BYTES, size - at);
    const length = readSync(a.fd, bufferA, 0, wanted, at);
    if (length === 0 || length !== readSync(b.fd, bufferB, 0, wanted, at)) return false;
    if (!bufferA.subarray(0, length).equals(bufferB.subarray(0, length))) return false;
    at += length;
    await pause();
  }
  return true;
}

/** SHA-256 of an open file's bytes, as many as it had when it was opened, in hex. */
export async function hashContent({ fd, stats }: OpenFile): Promise<string> {
  const size = Number(stats.size);
  const hash = createHash("sha256");
  const pause = pacer();
  for (let at = 0; at < size; ) {
    const length = readSync(fd, bufferA, 0, Math.min(CHUNK_BYTES, size - at), at);
    if (length === 0) break;
    hash.update(bufferA.subarray(0, length));
    at += length;
    await pause();
  }
  return hash.digest("hex");
}

export function syncToDisk(fd: number): void {
  try {
    fsyncSync(fd);
  } catch (error) {
    throw new SafeFsError("io", "cannot write through to the disk", error);
  }
}
