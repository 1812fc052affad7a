// The one way a text is cut: head and tail stay, the cut says how much was left out.
import { groupDigits } from "./printable.js";
import { withoutBrokenEnd, withoutBrokenStart } from "./utf8-cut.js";

/** Room for the words that stand where the middle was. */
const MARKER_BYTES = 64;

/** What stands in the place of bytes that were left out. */
export function leftOut(bytes: number, what = "bytes"): string {
  return `… ${groupDigits(bytes)} ${what} left out …`;
}

/** The text in at most `maxBytes` of UTF-8. Where even the words about the cut find no room, only the head stays. */
export function truncateMiddle(text: string, maxBytes: number): string {
  // A UTF-16 unit takes at most three bytes: most texts need no count.
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text);
  if (maxBytes < 2 * MARKER_BYTES) return withoutBrokenEnd(bytes.subarray(0, Math.max(0, maxBytes))).toString();
  const room = maxBytes - MARKER_BYTES;
  const tailBytes = Math.floor(room / 2);
  const head = withoutBrokenEnd(bytes.subarray(0, room - tailBytes));
  const tail = withoutBrokenStart(bytes.subarray(bytes.length - tailBytes));
  return joinEnds(head.toString(), tail.toString(), bytes.length - head.length - tail.length);
}

/** Head and tail with a line of its own between them. */
export function joinEnds(head: string, tail: string, leftOutBytes: number): string {
  return `${head}${head === "" || head.endsWith("\n") ? "" : "\n"}${leftOut(leftOutBytes)}\n${tail}`;
}
