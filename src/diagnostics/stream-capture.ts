// What a result keeps of stdout or stderr: all of it, or its head and tail and a count of the middle.
import { KEEP } from "../model/limits.js";
import type { StreamText } from "../model/result.js";
import { HeadTail } from "./head-tail.js";
import { decodeUtf8 } from "./printable.js";
import { joinEnds } from "./truncate.js";
import { withoutBrokenEnd, withoutBrokenStart } from "./utf8-cut.js";

export class StreamCapture {
  readonly #kept: HeadTail;

  constructor(maxBytes: number = KEEP.streamBytes) {
    this.#kept = new HeadTail(maxBytes);
  }

  push(bytes: Uint8Array): void {
    this.#kept.push(bytes);
  }

  /** `bytes` counts what the program wrote. Bytes that are no UTF-8 show as U+FFFD; control characters stay what they are. */
  text(): StreamText {
    const { head, tail } = this.#kept.ends();
    const bytes = this.#kept.total;
    if (this.#kept.dropped === 0) return { text: decodeUtf8(Buffer.concat([head, tail])), bytes, truncated: false };
    const start = withoutBrokenEnd(head);
    const end = withoutBrokenStart(tail);
    const text = joinEnds(decodeUtf8(start), decodeUtf8(end), bytes - start.length - end.length);
    return { text, bytes, truncated: true };
  }
}
