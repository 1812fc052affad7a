// UTF-8 in pieces, cut so that none of them breaks a character: the text of them all is that of each, one after the other.
import { withoutBrokenEnd } from "./utf8-cut.js";

const NOTHING = Buffer.alloc(0);

export class WholeCharacters {
  /** A character whose rest is still to come. */
  #unfinished: Buffer = NOTHING;

  /** The piece with what the one before left unfinished, and without what it leaves unfinished itself. */
  push(bytes: Buffer): Buffer {
    const all = this.#unfinished.length === 0 ? bytes : Buffer.concat([this.#unfinished, bytes]);
    const whole = withoutBrokenEnd(all);
    // Of its own, as the piece it came in may be large.
    this.#unfinished = whole.length === all.length ? NOTHING : Buffer.from(all.subarray(whole.length));
    return whole;
  }

  /** What the last piece left unfinished. */
  end(): Buffer {
    const rest = this.#unfinished;
    this.#unfinished = NOTHING;
    return rest;
  }
}
