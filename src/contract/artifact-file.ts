// A regular file of out/ as checks see it: size, media type, and its bytes within bounds, always through safefs.
import type { Tree } from "../safefs/tree.js";
import { mediaTypeOf, type Sniffed, sniff } from "./detect-media-type.js";

const CHUNK_BYTES = 1024 * 1024;

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
    return this.#tree.readFile(this.path, maxBytes);
  }

  /** The file's bytes in order. Each chunk is the reader's to keep. */
  chunks(chunkBytes = CHUNK_BYTES): AsyncGenerator<Buffer, void, undefined> {
    return this.#tree.chunks(this.path, chunkBytes);
  }

  sha256(): Promise<string> {
    this.#facts.sha256 ??= this.#tree.hashFile(this.path);
    return this.#facts.sha256;
  }
}
