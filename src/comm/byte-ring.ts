// The newest bytes of a stream in one buffer, written over and over: what comes and goes leaves nothing to collect.
export class ByteRing {
  readonly #size: number;
  #buffer: Buffer | null = null;
  /** Bytes put so far. */
  #end = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Where they are, until as many as the ring holds were put after their beginning. There may be no more of them than it holds. */
  put(bytes: Buffer): number {
    if (bytes.length > this.#size) throw new RangeError(`a ring of ${this.#size} bytes cannot hold ${bytes.length}`);
    // The system gives memory to what of it is written.
    this.#buffer ??= Buffer.allocUnsafeSlow(this.#size);
    const start = this.#end;
    const at = start % this.#size;
    const copied = bytes.copy(this.#buffer, at);
    bytes.copy(this.#buffer, 0, copied);
    this.#end += bytes.length;
    return start;
  }

  /** Good until the next `put`. */
  at(start: number, length: number): Buffer {
    if (start + this.#size < this.#end) throw new RangeError(`what was put at ${start} is written over`);
    if (this.#buffer === null || length === 0) return Buffer.alloc(0);
    const at = start % this.#size;
    const first = this.#buffer.subarray(at, at + length);
    return first.length === length ? first : Buffer.concat([first, this.#buffer.subarray(0, length - first.length)]);
  }
}
