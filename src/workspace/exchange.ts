// Exchanging two directories in one step. Node has no renameat2, so a small trusted Python process of the host makes the
// call: started with the first exchange, ended with its stdin. Where it cannot be had the caller falls back to two renames.
import { getSystemErrorName } from "node:util";
import { IsoError } from "../model/errors.js";
import { packageFile } from "../model/package-files.js";
import { HostHelper } from "./host-helper.js";

const SCRIPT = packageFile("python/iso_host/exchange.py");
/** Answers that mean "not on this kernel or file system". */
const NOT_HERE = new Set(["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"]);
export const DEFAULT_PYTHONS: readonly string[] = ["/usr/bin/python3", "/usr/local/bin/python3"];

export class Exchanger {
  readonly #pythons: string[];
  #child: HostHelper | null = null;
  /** Requests are answered one after another. */
  #last: Promise<unknown> = Promise.resolve();

  /** `pythons` are tried in order; the first that answers is kept. */
  constructor(pythons: readonly string[]) {
    this.#pythons = process.platform === "linux" ? [...pythons] : [];
  }

  /** Starts the helper ahead of the first request. */
  warm(): void {
    if (this.#child === null && this.#pythons[0] !== undefined) this.#child = new HostHelper(this.#pythons[0], SCRIPT);
  }

  /**
   * True when the two were exchanged, false where that cannot be done here and nothing happened. Where the helper died
   * during the call the answer is false, too, and `a` may or may not be `b`: the caller looks.
   */
  exchange(a: string, b: string): Promise<boolean> {
    const answer = this.#last.then(() => this.#exchange(a, b));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    await this.#last;
    const child = this.#child;
    this.#child = null;
    await child?.close();
  }

  async #exchange(a: string, b: string): Promise<boolean> {
    this.warm();
    if (this.#child === null) return false;
    const answer = await this.#child.ask(Buffer.from(`${a}\0${b}`), 4);
    const errno = answer?.readUInt32BE() ?? null;
    if (errno === 0) return true;
    if (errno === null) {
      // It could not be started or died: the next request tries the next interpreter.
      this.#child = null;
      this.#pythons.shift();
      return false;
    }
    const name = getSystemErrorName(-errno);
    if (!NOT_HERE.has(name)) throw new IsoError("internal", `The new files cannot be put in place: ${name}.`);
    await this.#giveUp();
    return false;
  }

  async #giveUp(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    await child?.close();
    this.#pythons.length = 0;
  }
}
