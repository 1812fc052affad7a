// A folder that a sandbox wrote, drawn the way `tree` does, with sizes. Every name in it is hostile: bounded, escaped, never followed.
import { KEEP } from "../model/limits.js";
import { eachChild, type KnownTree } from "../safefs/known-tree.js";
import { pacer } from "../safefs/pace.js";
import { displayPath, type Entry, type Tree } from "../safefs/tree.js";
import { escapeControls, formatBytes, groupDigits } from "./printable.js";
import { truncateMiddle } from "./truncate.js";

export interface TreeOptions {
  /** Entries that are not shown, as "out/logs". */
  skip?: readonly string[];
  maxBytes?: number;
  /** Entries looked at, shown or not. */
  maxEntries?: number;
  /** Entries shown of one folder, so that a full one leaves room for the others. */
  maxPerFolder?: number;
  maxDepth?: number;
}

type Shown = Pick<Entry, "name" | "kind" | "size">;

interface Folder {
  children: Node[];
  /** Entries of this folder beyond `maxPerFolder`. */
  hidden: number;
}
interface Node {
  /** Made when there is room for it: most of a large tree is counted only. */
  label: () => string;
  folder: Folder | null;
}

const SUMMARY_BYTES = 160;
const MAX_NAME_BYTES = 300;

export async function renderTree(tree: Tree, options: TreeOptions = {}): Promise<string> {
  const { drawing, skipped, maxBytes, maxEntries } = begin(options);
  /** Folders whose entries are shown, by path in latin1, which is exact for any bytes. */
  const open = new Map<string, Folder>([["", drawing.root]]);
  const isClosed = (path: Buffer): boolean => !open.has(path.toString("latin1"));
  for await (const entry of tree.walk({ maxEntries, skip: isClosed })) {
    drawing.seen += 1;
    const path = entry.path.toString("latin1");
    if (skipped.has(path)) continue;
    const slash = path.lastIndexOf("/");
    const parent = open.get(slash === -1 ? "" : path.slice(0, slash));
    const below = drawing.add(parent, path.split("/").length, entry, () => tree.readLink(entry.path));
    if (below !== null) open.set(path, below);
  }
  return draw(drawing.root, maxBytes, summary(drawing, drawing.seen >= maxEntries));
}

/** The same of a folder that was looked through already: it is not walked again. */
export async function renderKnown(tree: KnownTree, options: TreeOptions = {}): Promise<string> {
  const { drawing, skipped, maxBytes, maxEntries } = begin(options);
  await drawing.addKnown(drawing.root, tree, "", skipped);
  return draw(drawing.root, maxBytes, summary(drawing, drawing.seen >= maxEntries));
}

function begin({
  skip = [],
  maxBytes = KEEP.treeBytes,
  maxEntries = 200_000,
  maxPerFolder = 200,
  maxDepth = 24,
}: TreeOptions) {
  const skipped = new Set(skip.map((path) => Buffer.from(path).toString("latin1")));
  return { drawing: new Drawing({ maxEntries, maxPerFolder, maxDepth }), skipped, maxBytes, maxEntries };
}

/** What is shown, and how much there is. */
class Drawing {
  readonly root: Folder = { children: [], hidden: 0 };
  folders = 0;
  files = 0;
  others = 0;
  bytes = 0;
  /** Entries looked at, shown or not. */
  seen = 0;
  readonly #bounds: { maxEntries: number; maxPerFolder: number; maxDepth: number };
  readonly #pause = pacer();

  constructor(bounds: { maxEntries: number; maxPerFolder: number; maxDepth: number }) {
    this.#bounds = bounds;
  }

  /** Where its own entries go, if it is a folder whose entries are shown. `parent` is undefined for what lies in another. */
  add(parent: Folder | undefined, depth: number, entry: Shown, target: () => Buffer): Folder | null {
    if (parent !== undefined && parent.children.length >= this.#bounds.maxPerFolder) {
      this.#hide(parent, entry);
      return null;
    }
    this.#count(entry);
    if (parent === undefined) return null;
    const isOpen = entry.kind === "dir" && depth < this.#bounds.maxDepth;
    const more = entry.kind === "dir" && !isOpen ? " …" : "";
    const folder: Folder | null = isOpen ? { children: [], hidden: 0 } : null;
    parent.children.push({ label: () => `${label(entry, target)}${more}`, folder });
    return folder;
  }

  /** `path` is that of the folder, with a slash at its end; "" for the root. */
  async addKnown(folder: Folder, tree: KnownTree, path: string, skipped: ReadonlySet<string>): Promise<void> {
    const depth = path.split("/").length;
    const isHiding = [...skipped].some((hidden) => hidden.startsWith(path));
    const below: Parameters<Drawing["addKnown"]>[] = [];
    eachChild(tree, (name, node, changed) => {
      if (this.seen >= this.#bounds.maxEntries) return;
      this.seen += 1;
      if (isHiding && skipped.has(path + name)) return;
      if (folder.children.length >= this.#bounds.maxPerFolder) {
        this.#hide(folder, node.entry);
        return;
      }
      const shown = this.add(folder, depth, node.entry, () => node.target ?? Buffer.from("?"));
      if (shown === null || node.children === null) return;
      below.push([shown, { root: { children: node.children }, changed }, `${path}${name}/`, skipped]);
    });
    await this.#pause();
    for (const inner of below) await this.addKnown(...inner);
  }

  #hide(folder: Folder, entry: Shown): void {
    this.#count(entry);
    folder.hidden += 1;
  }

  #count({ kind, size }: Shown): void {
    if (kind === "dir") this.folders += 1;
    else if (kind === "file") {
      this.files += 1;
      this.bytes += size;
    } else this.others += 1;
  }
}

function label({ name, kind, size }: Shown, target: () => Buffer): string {
  const shown = show(name);
  switch (kind) {
    case "dir":
      return `${shown}/`;
    case "file":
      return `${shown} (${formatBytes(size)})`;
    case "link":
      return `${shown} -> ${targetOf(target)}`;
    case "fifo":
      return `${shown} (FIFO)`;
    default:
      return `${shown} (${kind})`;
  }
}

function targetOf(target: () => Buffer): string {
  try {
    return show(target());
  } catch {
    // The link went away or cannot be read; the drawing goes on.
    return "?";
  }
}

function show(name: Buffer): string {
  return truncateMiddle(escapeControls(displayPath(name).path), MAX_NAME_BYTES).replaceAll("\n", " ");
}

function summary(
  counts: { folders: number; files: number; others: number; bytes: number },
  stoppedEarly: boolean,
): string {
  const parts = [count(counts.folders, "folder"), count(counts.files, "file")];
  if (counts.others > 0) parts.push(count(counts.others, "link or special file", "links and special files"));
  return `${parts.join(", ")}, ${formatBytes(counts.bytes)}${stoppedEarly ? "; there are more" : ""}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${groupDigits(number)} ${number === 1 ? one : many}`;
}

function draw(root: Folder, maxBytes: number, last: string): string {
  const lines = ["."];
  let room = maxBytes - SUMMARY_BYTES;
  let left = 0;
  const add = (begin: string, rest: () => string): void => {
    const line = left > 0 ? "" : `${begin}${rest()}`;
    room = left > 0 ? 0 : room - Buffer.byteLength(line) - 1;
    if (room > 0) lines.push(line);
    else left += 1;
  };
  const below = (folder: Folder, indent: string): void => {
    folder.children.forEach((node, index) => {
      const isLast = index === folder.children.length - 1 && folder.hidden === 0;
      add(`${indent}${isLast ? "└── " : "├── "}`, node.label);
      if (node.folder !== null) below(node.folder, `${indent}${isLast ? "    " : "│   "}`);
    });
    if (folder.hidden > 0) add(`${indent}└── `, () => `… ${groupDigits(folder.hidden)} more`);
  };
  below(root, "");
  if (left > 0) lines.push(`… ${count(left, "line")} left out …`);
  lines.push(last);
  return lines.join("\n");
}
