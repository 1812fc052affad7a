// What changed in watched trees since it was last asked, as the kernel tells it. Where it cannot tell, nobody may conclude anything.

import { z } from "zod";
import { packageFile } from "../model/package-files.js";
import { HostHelper } from "./host-helper.js";

const SCRIPT = packageFile("python/iso_host/watch.py");

const paths = z.array(z.string()).default([]);
const Answer = z.object({
  ok: z.boolean(),
  ...{ changed: paths, opened: paths, removed: paths, made: paths, altered: paths },
});

/** Paths as latin1. */
export interface Touched {
  /** Files and other entries that were made, removed, moved, written or given other attributes; folders that were removed. */
  readonly changed: readonly string[];
  /** Files that were opened. */
  readonly opened: readonly string[];
  /** Those of `changed` that were removed or moved at some time, whatever is there now. */
  readonly removed: readonly string[];
  /** Folders that were made or moved. They are not watched. */
  readonly made: readonly string[];
  /** Folders that were given other attributes. */
  readonly altered: readonly string[];
}

/** Every path at which anything is, or was, other than before. */
export const changesOf = ({ changed, made, altered }: Touched): string[] => [...changed, ...made, ...altered];

export class TreeWatch {
  readonly #pythons: string[];
  #helper: HostHelper | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** `pythons` are tried in order; the first that answers is kept. */
  constructor(pythons: readonly string[]) {
    this.#pythons = process.platform === "linux" ? [...pythons] : [];
  }

  /** Watches all folders of a tree from now on, under a name, or `only` these; `opens` is whether it matters that a file was opened. */
  async watch(
    key: string,
    path: string,
    options: { only?: readonly string[]; opens?: boolean } = {},
  ): Promise<boolean> {
    const { only, opens = false } = options;
    return (await this.#ask({ do: "watch", key, path: Buffer.from(path).toString("latin1"), only, opens })).ok;
  }

  /** Watches these folders of the tree as well, and those below them. */
  async add(key: string, below: readonly string[]): Promise<boolean> {
    return below.length === 0 || (await this.#ask({ do: "add", key, below })).ok;
  }

  /** What happened since the tree was watched, or since the last call; null where that is not known. */
  async take(key: string): Promise<Touched | null> {
    const { ok, ...touched } = await this.#ask({ do: "take", key });
    return ok ? touched : null;
  }

  async forget(key: string): Promise<void> {
    if (this.#helper !== null) await this.#ask({ do: "forget", key });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#helper?.close();
    this.#helper = null;
    this.#pythons.length = 0;
  }

  async #ask(request: object): Promise<z.output<typeof Answer>> {
    const answer = this.#last.then(() => this.#askNow(request));
    this.#last = answer.catch(() => undefined);
    return await answer;
  }

  async #askNow(request: object): Promise<z.output<typeof Answer>> {
    const [python] = this.#pythons;
    if (python === undefined) return NOT_KNOWN;
    this.#helper ??= new HostHelper(python, SCRIPT);
    const said = await this.#helper.ask(Buffer.from(JSON.stringify(request)));
    if (said !== null) return Answer.parse(JSON.parse(said.toString()));
    // It could not be started or died, and its watches with it.
    this.#helper = null;
    this.#pythons.shift();
    return NOT_KNOWN;
  }
}

const NOT_KNOWN = Answer.parse({ ok: false });
