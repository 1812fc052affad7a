// A regular file of out/ as checks see it: size, media type, and its bytes within bounds, always through safefs.
import { hash } from "node:crypto";
import type { Tree } from "../safefs/tree.js";
import { mediaTypeOf, type Sniffed, sniff } from "./detect-media-type.js";

const CHUNK_BYTES = 1024 * 1024;
/** Files up to this size are read once, at one go, and not once for each question. */
const SMALL_BYTES = 128 * 1024;

/** What was found out by reading a whole file; hard links of one file share it, so that a thousand of them cost one reading. */
export interface ContentFacts {
  sha256?: Promise<string>;
  sniffed?: Promise<Sniffed>;
}

export class ArtifactFile {
  readonly path: string;
  readonly bytes: number;
  readonly #tree: Tree;
  readonly #facts: ContentFacts;
  #content: Buffer | null = null;

  constructor(tree: Tree, path: string, bytes: number, facts: ContentFacts = {}) {
    this.#tree = tree;
    this.#facts = facts;
    this.path = path;
    this.bytes = bytes;
  }

  async mediaType(): Promise<string> {
    this.#facts.sniffed ??= sniff(this);
    return mediaTypeOf(await this.#facts.sniffed, this.path);
  }

  /** The first bytes, at most `maxBytes`. */
  async head(maxBytes: number): Promise<Buffer> {
    for await (const chunk of this.chunks(maxBytes)) return chunk;
    return Buffer.alloc(0);
  }

  /** All of the file; throws safefs' `too_large` beyond `maxBytes`. */
  read(maxBytes: number): Buffer {
    return this.bytes <= Math.min(maxBytes, SMALL_BYTES) ? this.#small() : this.#tree.readFile(this.path, maxBytes);
  }

  /** The file's bytes in order. No reader changes them. */
  async *chunks(chunkBytes = CHUNK_BYTES): AsyncGenerator<Buffer, void, undefined> {
    if (this.bytes > SMALL_BYTES) return yield* this.#tree.chunks(this.path, chunkBytes);
    const content = this.#small();
    for (let at = 0; at < content.length; at += chunkBytes) yield content.subarray(at, at + chunkBytes);
  }

  sha256(): Promise<string> {
    this.#facts.sha256 ??= this.bytes > SMALL_BYTES ? this.#tree.hashFile(this.path) : this.#hash();
    return this.#facts.sha256;
  }

  async #hash(): Promise<string> {
    return hash("sha256", this.#small());
  }

  #small(): Buffer {
    this.#content ??= this.#tree.readFile(this.path, SMALL_BYTES);
    return this.#content;
  }
}
