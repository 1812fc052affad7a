// Reading a small file that the kernel makes as it is read: its size says nothing, and most are had in one call.
import { closeSync, openSync, readSync } from "node:fs";

/** Filled and emptied between two turns of the event loop. */
const buffer = Buffer.allocUnsafe(64 * 1024);
/**
 * A read ends early where the file ends, or where the kernel's own page is full and the next line has no room left in it. No line is as long
 * as half a page: fewer bytes than that are all there is.
 */
const SURELY_ALL_BYTES = 2048;

/** All of it, or as many whole lines as there is room for here; its bytes as latin1. */
export function readKernelFile(path: string): string {
  const fd = openSync(path, "r");
  try {
    let filled = 0;
    for (let got = -1; got !== 0 && filled < buffer.length; filled += got) {
      got = readSync(fd, buffer, filled, buffer.length - filled, null);
      if (filled === 0 && got < SURELY_ALL_BYTES) return buffer.toString("latin1", 0, got);
    }
    // Part of a number is another number.
    const end = filled < buffer.length ? filled : buffer.lastIndexOf("\n") + 1;
    return buffer.toString("latin1", 0, end);
  } finally {
    closeSync(fd);
  }
}
