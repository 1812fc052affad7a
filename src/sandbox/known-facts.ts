// What a process found out about this host, kept for the next one in a small file of our own state. Nothing rests on it: whoever asks
// looks whether it still fits, and every sandbox proves itself all the same.
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const MAX_BYTES = 64 * 1024;
/** The newest; more would be interpreters that nobody asks for any more. */
const MAX_FACTS = 16;
const { O_RDONLY, O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;

export class KnownFacts {
  readonly #file: string;
  #facts: Map<string, unknown> | null = null;

  /** The file's folder is there, and open to its user alone. */
  constructor(file: string) {
    this.#file = file;
  }

  get(name: string): unknown {
    this.#facts ??= this.#read();
    return this.#facts.get(name);
  }

  /** Undefined forgets it. A file that cannot be written keeps nothing, and nobody is worse off than before. */
  keep(name: string, fact: unknown): void {
    // Others may have kept something meanwhile.
    const facts = this.#read();
    this.#facts = facts;
    facts.delete(name);
    if (fact !== undefined) facts.set(name, fact);
    const written = `${this.#file}.new`;
    try {
      const fd = openSync(written, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0o600);
      try {
        writeFileSync(fd, JSON.stringify([...facts].slice(-MAX_FACTS)));
      } finally {
        closeSync(fd);
      }
      renameSync(written, this.#file);
    } catch {
      // As above.
    }
  }

  /** What is damaged, or may be another user's, is nothing. */
  #read(): Map<string, unknown> {
    try {
      const fd = openSync(this.#file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        const found = fstatSync(fd);
        const isOurs = found.isFile() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
        if (!isOurs || found.size > MAX_BYTES) return new Map();
        return new Map(JSON.parse(readFileSync(fd, "utf8")));
      } finally {
        closeSync(fd);
      }
    } catch {
      return new Map();
    }
  }
}
