// A regular file of out/ as checks see it: size, media type, and its bytes within bounds, always through safefs.
import { closeSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Tree } from "../safefs/tree.js";
import { detectMediaType } from "./detect-media-type.js";

const readAsync = promisify(read);
const CHUNK_BYTES = 1024 * 1024;

export class ArtifactFile {
  readonly path: string;
  readonly bytes: number;
  readonly #tree: Tree;
  #mediaType: Promise<string> | null = null;

  constructor(tree: Tree, path: string, bytes: number) {
    this.#tree = tree;
    this.path = path;
    this.bytes = bytes;
  }

  mediaType(): Promise<string> {
    this.#mediaType ??= detectMediaType(this);
    return this.#mediaType;
  }

  /** The first bytes, at most `maxBytes`. */
  async head(maxBytes: number): Promise<Buffer> {
    for await (const chunk of this.chunks(Math.min(maxBytes, this.bytes))) return chunk;
    return Buffer.alloc(0);
  }

  /** All of the file; throws safefs' `too_large` beyond `maxBytes`. */
  read(maxBytes: number): Buffer {
    return this.#tree.readFile(this.path, maxBytes);
  }

  /** The file's bytes in order. Each chunk is the reader's to keep. */
  async *chunks(chunkBytes = CHUNK_BYTES): AsyncGenerator<Buffer, void, undefined> {
    const fd = this.#tree.openFile(this.path);
    try {
      while (true) {
        const chunk = Buffer.allocUnsafe(Math.max(1, chunkBytes));
        const { bytesRead } = await readAsync(fd, chunk, 0, chunk.length, null);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
      }
    } finally {
      closeSync(fd);
    }
  }

  sha256(): Promise<string> {
    return this.#tree.hashFile(this.path);
  }
}
