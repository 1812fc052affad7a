// The lists of a diff: the first entries of each kind, and the true count of all.
import { type Changes, emptyChanges, type FileEntry, type SkippedEntry } from "../model/files.js";
import type { Entry } from "../safefs/entry.js";
import { type Node, shownPath } from "./manifest.js";

type Totals = { [list in keyof Changes]: number };

export class ChangeLists {
  readonly #changes = emptyChanges();
  readonly #totals: Totals = { created: 0, modified: 0, deleted: 0, skipped: 0, leftInWork: 0 };
  readonly #maxListed: number;

  constructor(maxListed: number) {
    this.#maxListed = maxListed;
  }

  created(node: Node): void {
    this.#add("created", () => this.#changes.created.push(fileEntry(node.entry)));
  }

  modified(node: Node): void {
    this.#add("modified", () => this.#changes.modified.push(fileEntry(node.entry)));
  }

  deleted(node: Node): void {
    this.#add("deleted", () => this.#changes.deleted.push(shownPath(node.entry)));
  }

  skipped(node: Node): void {
    this.#add("skipped", () => {
      const entry: SkippedEntry = { ...shownPath(node.entry), reason: node.leftOut ?? "left out" };
      this.#changes.skipped.push(entry);
    });
  }

  /** `above` is the way from work/ to the folder that the entry's path begins in. */
  leftInWork(entry: Entry, above = ""): void {
    this.#add("leftInWork", () => this.#changes.leftInWork.push(from(above, fileEntry(entry))));
  }

  result(): { changes: Changes; totals: Totals } {
    return { changes: this.#changes, totals: this.#totals };
  }

  #add(list: keyof Changes, push: () => void): void {
    this.#totals[list] += 1;
    if (this.#totals[list] <= this.#maxListed) push();
  }
}

function from(above: string, entry: FileEntry): FileEntry {
  const path = `${above}${entry.path}`;
  if (entry.pathBase64 === undefined) return { ...entry, path };
  const bytes = Buffer.concat([Buffer.from(above), Buffer.from(entry.pathBase64, "base64")]);
  return { ...entry, path, pathBase64: bytes.toString("base64") };
}

function fileEntry(entry: Entry): FileEntry {
  return { ...shownPath(entry), bytes: entry.size };
}
