// Work that is done once and its outcome kept, unless it fails: what stood in the way may be gone at the next attempt.

export class Remembered<T> {
  readonly #make: () => Promise<T>;
  #known: Promise<T> | null = null;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  get(): Promise<T> {
    if (this.#known !== null) return this.#known;
    const making = this.#make();
    this.#known = making;
    making.catch(() => {
      if (this.#known === making) this.#known = null;
    });
    return making;
  }

  /** What there is by now or soon; null where nobody asked yet, or it failed. Never rejects. */
  async there(): Promise<T | null> {
    return (await this.#known?.catch(() => null)) ?? null;
  }

  forget(): void {
    this.#known = null;
  }
}
