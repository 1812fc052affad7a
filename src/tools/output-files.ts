// The files a tool may read and write: those of the run's out/, while the hostile program may be at them too.
import type { FileOwner } from "../model/instance.js";
import { SafeFsError, type Tree } from "../safefs/tree.js";

const MAX_READ_BYTES = 64 * 1024 * 1024;
const MAX_LIST = 10_000;

export interface OutputFiles {
  /** Writes a whole file, its folders made. With `exclusive` a path that exists is left alone and the error's code is "exists". */
  write(path: string, data: string | Uint8Array, options?: { exclusive?: boolean }): Promise<void>;
  /** All of a regular file, as bytes. */
  read(path: string): Promise<Buffer>;
  exists(path: string): Promise<boolean>;
  /** Paths of the regular files below a folder, at most 10,000. */
  list(folder?: string): Promise<string[]>;
}

/** Files of a folder the host can see. `open` is asked for each access, since out/ is delivered after the tools are. */
export class TreeOutputFiles implements OutputFiles {
  readonly #open: () => Tree;
  readonly #owner: FileOwner | undefined;

  constructor(open: () => Tree, owner?: FileOwner) {
    this.#open = open;
    this.#owner = owner;
  }

  async write(path: string, data: string | Uint8Array, options: { exclusive?: boolean } = {}): Promise<void> {
    refuseReserved(path);
    using tree = this.#open();
    const bytes = typeof data === "string" ? data : Buffer.from(data);
    tree.writeFile(path, bytes, { ...(this.#owner && { owner: this.#owner }), exclusive: options.exclusive ?? false });
  }

  async read(path: string): Promise<Buffer> {
    using tree = this.#open();
    return tree.readFile(path, MAX_READ_BYTES);
  }

  async exists(path: string): Promise<boolean> {
    using tree = this.#open();
    return tree.stat(path) !== null;
  }

  async list(folder = ""): Promise<string[]> {
    using tree = this.#open();
    const prefix = folder === "" ? "" : `${folder.replace(/\/+$/, "")}/`;
    const found: string[] = [];
    for await (const entry of tree.walk()) {
      const path = entry.path.toString();
      if (entry.kind === "file" && path.startsWith(prefix)) found.push(path);
      if (found.length >= MAX_LIST) break;
    }
    return found;
  }
}

function refuseReserved(path: string): void {
  if (/^logs(\/|$)/.test(path)) throw new SafeFsError("invalid_path", "logs/ at the top of out/ is the host's");
}
