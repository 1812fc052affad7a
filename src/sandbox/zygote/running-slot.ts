// What keeps one sandbox of a launcher, as the sandbox needs to know it.
import type { Socket } from "node:net";
import type { RunningEngine } from "../linux/sandbox.js";
import type { Forked, Launcher } from "./launcher.js";

export class RunningSlot implements RunningEngine {
  readonly ended: Promise<void>;
  readonly #launcher: Launcher;
  readonly #forked: Forked;
  #held = false;
  #giveUp: () => void = () => undefined;

  constructor(launcher: Launcher, forked: Forked) {
    this.#launcher = launcher;
    this.#forked = forked;
    const givenUp = new Promise<void>((resolve) => {
      this.#giveUp = resolve;
    });
    this.ended = Promise.race([forked.gone, givenUp]).then(() => this.unref());
  }

  get control(): Socket {
    return this.#forked.control;
  }

  get lost(): string | null {
    return this.#launcher.lost;
  }

  ref(): void {
    if (!this.#held) this.#launcher.hold();
    this.#held = true;
  }

  unref(): void {
    if (this.#held) this.#launcher.letGo();
    this.#held = false;
  }

  /** The launcher is not waited for any more: the sandbox looks at its own first process, and a neighbour's launcher is not ours to end. */
  kill(): void {
    this.#forked.init.kill();
    this.#giveUp();
  }

  async endUnknown(): Promise<void> {
    await this.#forked.init.gone();
  }

  async release(): Promise<void> {}
}
