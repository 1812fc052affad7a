// The log of what runtime, engine and tools had to say: merged lines `<ISO time> [source] text`, one line for each line said.

import { LogFile } from "./log-file.js";
import { escapeControls, stripAnsi } from "./printable.js";
import { truncateMiddle } from "./truncate.js";

/** An engine or a tool may pass on what a program made it say; one message is kept up to this. */
const MAX_MESSAGE_BYTES = 64 * 1024;

export class InfraLog {
  readonly #file: LogFile;
  readonly #now: () => Date;

  constructor(path: string, options: { maxBytes?: number; now?: () => Date } = {}) {
    this.#file = new LogFile(path, options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes });
    this.#now = options.now ?? (() => new Date());
  }

  append(source: string, text: string): void {
    this.#file.append(Buffer.from(infraLines(source, text, this.#now())));
  }

  get failure(): string | null {
    return this.#file.failure;
  }

  flush(): void {
    this.#file.flush();
  }

  async finish(): Promise<void> {
    await this.#file.finish();
  }

  tail(maxBytes: number): string {
    return this.#file.tail(maxBytes);
  }
}

/** Nothing in `source` or `text` can forge a line of another source: line breaks start a line of this one. */
export function infraLines(source: string, text: string, now = new Date()): string {
  const label = escapeControls(source).replaceAll("]", ")");
  const kept = stripAnsi(truncateMiddle(text, MAX_MESSAGE_BYTES)).replace(/\r?\n$/, "");
  return kept
    .split(/\r?\n/)
    .map((line) => `${now.toISOString()} [${label}] ${escapeControls(line, "\t")}\n`)
    .join("");
}
