// Reading and writing at an open descriptor until all of it is done: one call of the system may do a part.
import { ftruncateSync, readSync, writeSync } from "node:fs";

/** Fewer bytes only where the file ends before. They are read into `bytes`, which has room for them, or into a buffer of their own. */
export function readAt(fd: number, position: number, length: number, bytes: Buffer = Buffer.alloc(length)): Buffer {
  let filled = 0;
  for (let got = -1; got !== 0 && filled < length; filled += got) {
    got = readSync(fd, bytes, filled, length - filled, position + filled);
  }
  return bytes.subarray(0, filled);
}

/** All of a file of `size` bytes, and one more where it has grown meanwhile. */
export function readWhole(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size + 1);
  let filled = 0;
  for (let got = -1; got !== 0 && filled <= size; filled += got) {
    got = readSync(fd, bytes, filled, size + 1 - filled, filled);
    // More was asked for than there is: that is its end.
    if (filled + got === size) return bytes.subarray(0, size);
  }
  return bytes.subarray(0, filled);
}

/** Writes a file of `had` bytes anew. Blocks that it needs again are not given back first: some disks are told of each. */
export function overwrite(fd: number, bytes: Buffer, had: number): void {
  writeAll(fd, bytes, 0);
  if (had > bytes.length) ftruncateSync(fd, bytes.length);
}

/** At the descriptor's own place where no position is given. */
export function writeAll(fd: number, bytes: Buffer, position: number | null = null): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position === null ? null : position + done);
  }
}
