// A list that keeps its first and its last items and counts them all.

export class EndsList<T> {
  readonly #firstMax: number;
  readonly #lastMax: number;
  readonly #first: T[] = [];
  readonly #last: T[] = [];
  #total = 0;

  constructor(max: number) {
    this.#firstMax = Math.ceil(max / 2);
    this.#lastMax = max - this.#firstMax;
  }

  push(item: T): void {
    this.#total += 1;
    if (this.#first.length < this.#firstMax) {
      this.#first.push(item);
    } else if (this.#lastMax > 0) {
      if (this.#last.length === this.#lastMax) this.#last.shift();
      this.#last.push(item);
    }
  }

  get total(): number {
    return this.#total;
  }

  list(): T[] {
    return [...this.#first, ...this.#last];
  }
}
