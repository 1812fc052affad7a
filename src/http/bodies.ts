// How much of bodies this process holds while they come: each is bounded, and as many as there are connections would be more than it has.
import { IsoError } from "../model/errors.js";
import { MiB } from "../model/limits.js";

const MAX_BYTES = 256 * MiB;
/** A caller that sends slowly keeps nobody else from sending. */
const MAX_BYTES_OF_CALLER = 64 * MiB;

const ofCallers = new Map<string, number>();
let all = 0;

/** What a body holds, until it is disposed of. */
export class HeldBody implements Disposable {
  readonly #caller: string;
  #bytes = 0;

  constructor(caller: string) {
    this.#caller = caller;
  }

  /** Throws `too_busy` where there is no room. */
  add(bytes: number): void {
    const own = ofCallers.get(this.#caller) ?? 0;
    if (all + bytes > MAX_BYTES || own + bytes > MAX_BYTES_OF_CALLER) {
      throw new IsoError("too_busy", "As much is being sent as can be taken at once.");
    }
    this.#count(bytes);
  }

  [Symbol.dispose](): void {
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    all += bytes;
    const own = (ofCallers.get(this.#caller) ?? 0) + bytes;
    if (own === 0) ofCallers.delete(this.#caller);
    else ofCallers.set(this.#caller, own);
  }
}
