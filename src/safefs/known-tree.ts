// What an earlier look at a tree found, as far as showing it needs: who has one need not walk the tree again.
import type { Entry } from "./entry.js";

export interface KnownFolder {
  /** By name, its bytes as latin1. */
  readonly children: ReadonlyMap<string, KnownNode>;
}

export interface KnownNode {
  readonly entry: Pick<Entry, "kind" | "size" | "name">;
  /** Where a link points. */
  readonly target: Buffer | null;
  readonly children: ReadonlyMap<string, KnownNode> | null;
}

export interface KnownTree {
  readonly root: KnownFolder;
  /** Entries that are other by now, or new, in their folders; null where there are none. */
  readonly changed: KnownFolder | null;
}

/** Entries of a folder in byte order of names, each with what changed in it where it is a folder itself. No generator: there may be many. */
export function eachChild(
  { root, changed }: KnownTree,
  visit: (name: string, node: KnownNode, changed: KnownFolder | null) => void,
): void {
  for (const name of inOrder(root, changed)) {
    const [before, now] = [root.children.get(name), changed?.children.get(name)];
    // A folder of `changed` holds nothing but what changed in it.
    const node = now?.children && before ? before : (now ?? before);
    if (node !== undefined) visit(name, node, now?.children ? { children: now.children } : null);
  }
}

function inOrder(root: KnownFolder, changed: KnownFolder | null): Iterable<string> {
  const added = [...(changed?.children.keys() ?? [])].filter((name) => !root.children.has(name));
  if (added.length === 0 && isAscending(root.children.keys())) return root.children.keys();
  return [...root.children.keys(), ...added].sort((a, b) => (a < b ? -1 : 1));
}

function isAscending(names: Iterable<string>): boolean {
  let last = "";
  for (const name of names) {
    if (name < last) return false;
    last = name;
  }
  return true;
}
