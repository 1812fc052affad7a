// The files a tool may read and write: those of the run's out/, while the hostile program may be at them too.
import { isUtf8 } from "node:buffer";
import type { FileOwner } from "../model/instance.js";
import { MiB } from "../model/limits.js";
import { SafeFsError, type Tree } from "../safefs/tree.js";

const MAX_READ_BYTES = 64 * MiB;
const MAX_LIST = 10_000;
/** Entries looked at for a list: the program may go on making them meanwhile. */
const MAX_WALKED = 200_000;

/** Paths are relative to out/, "/"-separated. What cannot be done throws SafeFsError, whose `reason` is a word to switch on. */
export interface OutputFiles {
  /** Writes a whole file, its folders made. With `exclusive` a path that exists is left alone, and the reason is "exists". */
  write(path: string, data: string | Uint8Array, options?: { exclusive?: boolean }): Promise<void>;
  /** All of a regular file of at most 64 MiB, as bytes. */
  read(path: string): Promise<Buffer>;
  exists(path: string): Promise<boolean>;
  /** Makes a folder and those above it; fine where it exists. */
  makeDir(path: string): Promise<void>;
  /** Paths of the regular files below a folder, at most 10,000 found among 200,000 entries; names that are no UTF-8 are left out. */
  list(folder?: string): Promise<string[]>;
}

/** Files of a folder the host can see. `open` is asked for each access, since out/ is delivered after the tools are. */
export class TreeOutputFiles implements OutputFiles {
  readonly #open: () => Tree;
  readonly #options: { owner?: FileOwner };

  constructor(open: () => Tree, owner?: FileOwner) {
    this.#open = open;
    this.#options = owner === undefined ? {} : { owner };
  }

  async write(path: string, data: string | Uint8Array, options: { exclusive?: boolean } = {}): Promise<void> {
    refuseReserved(path);
    using tree = this.#open();
    const bytes = typeof data === "string" ? data : Buffer.from(data);
    tree.writeFile(path, bytes, { ...this.#options, exclusive: options.exclusive ?? false });
  }

  async read(path: string): Promise<Buffer> {
    using tree = this.#open();
    return tree.readFile(path, MAX_READ_BYTES);
  }

  async exists(path: string): Promise<boolean> {
    using tree = this.#open();
    return tree.stat(path) !== null;
  }

  async makeDir(path: string): Promise<void> {
    refuseReserved(path);
    using tree = this.#open();
    tree.makeDir(path, this.#options);
  }

  async list(folder = ""): Promise<string[]> {
    using tree = this.#open();
    const below = folder === "" ? "" : `${folder.replace(/\/+$/, "")}/`;
    // A folder beside the wanted one is not entered: the program decides how much there is.
    const skip = (path: Buffer) => !`${path}/`.startsWith(below) && !below.startsWith(`${path}/`);
    const found: string[] = [];
    for await (const { path, kind } of tree.walk({ skip, maxEntries: MAX_WALKED })) {
      if (kind !== "file" || !isUtf8(path)) continue;
      const text = path.toString();
      if (text.startsWith(below)) found.push(text);
      if (found.length >= MAX_LIST) break;
    }
    return found;
  }
}

/**
 * The files of one call, closed once it or its run has ended: a handler that does not stop then must not write into an out/ that is
 * being judged, or that is the next run's already.
 */
export class OpenOutputFiles implements OutputFiles {
  readonly #files: OutputFiles;
  readonly #end: { readonly reason: Error | null };

  /** `end` has a reason once the call has ended. */
  constructor(files: OutputFiles, end: { readonly reason: Error | null }) {
    this.#files = files;
    this.#end = end;
  }

  async write(path: string, data: string | Uint8Array, options?: { exclusive?: boolean }): Promise<void> {
    await this.#open().write(path, data, options);
  }

  async read(path: string): Promise<Buffer> {
    return await this.#open().read(path);
  }

  async exists(path: string): Promise<boolean> {
    return await this.#open().exists(path);
  }

  async makeDir(path: string): Promise<void> {
    await this.#open().makeDir(path);
  }

  async list(folder?: string): Promise<string[]> {
    return await this.#open().list(folder);
  }

  #open(): OutputFiles {
    if (this.#end.reason !== null) throw this.#end.reason;
    return this.#files;
  }
}

function refuseReserved(path: string): void {
  if (/^logs(\/|$)/.test(path)) throw new SafeFsError("invalid_path", "logs/ at the top of out/ is the host's");
}
