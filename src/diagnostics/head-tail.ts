// The first and the last bytes of a stream of any length, in bounded memory.

/** First allocation; most streams are short. */
const FIRST_BYTES = 4096;

export class HeadTail {
  readonly #headMax: number;
  readonly #tailMax: number;
  #head = Buffer.alloc(0);
  #headUsed = 0;
  /** Ring over the bytes behind the head; allocated once the head is full. */
  #ring: Buffer | null = null;
  #total = 0;

  constructor(maxBytes: number) {
    this.#headMax = Math.ceil(maxBytes / 2);
    this.#tailMax = maxBytes - this.#headMax;
  }

  push(bytes: Uint8Array): void {
    const toHead = Math.min(bytes.length, this.#headMax - this.#headUsed);
    if (toHead > 0) this.#fillHead(bytes.subarray(0, toHead));
    if (toHead < bytes.length) this.#fillRing(bytes.subarray(toHead));
    this.#total += bytes.length;
  }

  /** Bytes pushed, kept or not. */
  get total(): number {
    return this.#total;
  }

  get dropped(): number {
    return Math.max(0, this.#total - this.#headMax - this.#tailMax);
  }

  /** What was kept. With nothing dropped, head and tail are adjacent. */
  ends(): { head: Buffer; tail: Buffer } {
    const head = this.#head.subarray(0, this.#headUsed);
    if (this.#ring === null) return { head, tail: Buffer.alloc(0) };
    const behindHead = this.#total - this.#headUsed;
    if (behindHead <= this.#tailMax) return { head, tail: this.#ring.subarray(0, behindHead) };
    const start = behindHead % this.#tailMax;
    return { head, tail: Buffer.concat([this.#ring.subarray(start), this.#ring.subarray(0, start)]) };
  }

  #fillHead(bytes: Uint8Array): void {
    const needed = this.#headUsed + bytes.length;
    if (needed > this.#head.length) {
      const grown = Buffer.alloc(Math.min(this.#headMax, Math.max(FIRST_BYTES, needed, this.#head.length * 2)));
      this.#head.copy(grown, 0, 0, this.#headUsed);
      this.#head = grown;
    }
    this.#head.set(bytes, this.#headUsed);
    this.#headUsed = needed;
  }

  #fillRing(bytes: Uint8Array): void {
    if (this.#tailMax === 0) return;
    this.#ring ??= Buffer.alloc(this.#tailMax);
    // Only the last `tailMax` of these bytes can stay.
    const skipped = Math.max(0, bytes.length - this.#tailMax);
    const kept = bytes.subarray(skipped);
    const behindHead = Math.max(0, this.#total - this.#headMax);
    const at = (behindHead + (bytes.length - kept.length)) % this.#tailMax;
    const first = Math.min(kept.length, this.#tailMax - at);
    this.#ring.set(kept.subarray(0, first), at);
    this.#ring.set(kept.subarray(first), 0);
  }
}
