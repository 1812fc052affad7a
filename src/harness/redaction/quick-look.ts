// A quick look over bytes for the prefixes of secrets' shapes, for output that comes at hundreds of megabytes a second and has none: most
// bytes are never looked at (Horspool's search, with a set of words).
import { PREFIXES } from "./shapes.js";

/** No prefix is shorter. */
const WINDOW = 3;
/** How far the window may move for the byte at its end; 0: a prefix may end here. */
const SHIFT = new Uint8Array(256).fill(WINDOW);
/** Whether some prefix ends with these two bytes. */
const ENDS = new Uint8Array(256 * 256);
const BY_LAST = new Map<number, Buffer[]>();

for (const prefix of PREFIXES) {
  const bytes = Buffer.from(prefix, "latin1");
  const end = bytes.length - 1;
  for (let back = 0; back < WINDOW; back += 1) {
    const byte = byteAt(bytes, end - back);
    SHIFT[byte] = Math.min(SHIFT[byte] ?? 0, back);
  }
  const last = byteAt(bytes, end);
  ENDS[last * 256 + byteAt(bytes, end - 1)] = 1;
  BY_LAST.set(last, [...(BY_LAST.get(last) ?? []), bytes]);
}

/** Whether any prefix stands in there as a whole; one in the middle of a word counts. */
export function hasPrefix(bytes: Uint8Array): boolean {
  return mayEndPrefix(bytes) && search(bytes);
}

/** A byte that no prefix ends without is found, or found missing, faster than anything here can look. */
const mayEndPrefix = (bytes: Uint8Array): boolean => [...BY_LAST.keys()].some((byte) => bytes.includes(byte));

function search(bytes: Uint8Array): boolean {
  const { length } = bytes;
  for (let at = WINDOW - 1; at < length; ) {
    const byte = bytes[at] ?? 0;
    const shift = SHIFT[byte] ?? 0;
    if (shift > 0) {
      at += shift;
      continue;
    }
    if (ENDS[byte * 256 + (bytes[at - 1] ?? 0)] === 1 && endsPrefix(bytes, at)) return true;
    at += 1;
  }
  return false;
}

function endsPrefix(bytes: Uint8Array, at: number): boolean {
  return (BY_LAST.get(byteAt(bytes, at)) ?? []).some((prefix) => {
    const from = at + 1 - prefix.length;
    return from >= 0 && prefix.equals(bytes.subarray(from, at + 1));
  });
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
