// A folder that a sandbox wrote, drawn the way `tree` does, with sizes. Every name in it is hostile: bounded, escaped, never followed.
import { KEEP } from "../model/limits.js";
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

interface Folder {
  children: Node[];
  /** Entries of this folder beyond `maxPerFolder`. */
  hidden: number;
}
interface Node {
  label: string;
  folder: Folder | null;
}

const SUMMARY_BYTES = 160;
const MAX_NAME_BYTES = 300;
const SLASH = 0x2f;

export async function renderTree(tree: Tree, options: TreeOptions = {}): Promise<string> {
  const { skip = [], maxBytes = KEEP.treeBytes, maxEntries = 200_000, maxPerFolder = 200, maxDepth = 24 } = options;
  const root: Folder = { children: [], hidden: 0 };
  /** Folders whose entries are shown, by path in latin1, which is exact for any bytes. */
  const open = new Map<string, Folder>([["", root]]);
  const skipped = new Set(skip.map((path) => Buffer.from(path).toString("latin1")));
  const counts = { folders: 0, files: 0, others: 0, bytes: 0, seen: 0 };

  const isClosed = (path: Buffer): boolean => !open.has(path.toString("latin1"));
  for await (const entry of tree.walk({ maxEntries, skip: isClosed })) {
    counts.seen += 1;
    const path = entry.path.toString("latin1");
    if (skipped.has(path)) continue;
    tally(counts, entry);
    const slash = entry.path.lastIndexOf(SLASH);
    const parent = open.get(slash === -1 ? "" : path.slice(0, slash));
    if (parent === undefined) continue;
    if (parent.children.length >= maxPerFolder) {
      parent.hidden += 1;
      continue;
    }
    const node: Node = { label: label(tree, entry, entry.path.subarray(slash + 1)), folder: null };
    parent.children.push(node);
    if (entry.kind !== "dir") continue;
    if (path.split("/").length < maxDepth) {
      node.folder = { children: [], hidden: 0 };
      open.set(path, node.folder);
    } else {
      node.label += " …";
    }
  }
  return draw(root, maxBytes, summary(counts, counts.seen >= maxEntries));
}

function tally(counts: { folders: number; files: number; others: number; bytes: number }, entry: Entry): void {
  if (entry.kind === "dir") counts.folders += 1;
  else if (entry.kind === "file") {
    counts.files += 1;
    counts.bytes += entry.size;
  } else counts.others += 1;
}

function label(tree: Tree, entry: Entry, name: Buffer): string {
  const shown = show(name);
  switch (entry.kind) {
    case "dir":
      return `${shown}/`;
    case "file":
      return `${shown} (${formatBytes(entry.size)})`;
    case "link":
      return `${shown} -> ${target(tree, entry.path)}`;
    case "fifo":
      return `${shown} (FIFO)`;
    default:
      return `${shown} (${entry.kind})`;
  }
}

function target(tree: Tree, path: Buffer): string {
  try {
    return show(tree.readLink(path));
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
  const add = (line: string): void => {
    room = left > 0 ? 0 : room - Buffer.byteLength(line) - 1;
    if (room > 0) lines.push(line);
    else left += 1;
  };
  const below = (folder: Folder, indent: string): void => {
    folder.children.forEach((node, index) => {
      const isLast = index === folder.children.length - 1 && folder.hidden === 0;
      add(`${indent}${isLast ? "└── " : "├── "}${node.label}`);
      if (node.folder !== null) below(node.folder, `${indent}${isLast ? "    " : "│   "}`);
    });
    if (folder.hidden > 0) add(`${indent}└── … ${groupDigits(folder.hidden)} more`);
  };
  below(root, "");
  if (left > 0) lines.push(`… ${count(left, "line")} left out …`);
  lines.push(last);
  return lines.join("\n");
}
