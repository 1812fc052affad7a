// What in a workspace no version has: entries that no sandbox gets, and those put there by hand since. Both outlive the exchange of the
// tree.
import { keyOf, type Manifest, type Node, nodesBelow } from "./manifest.js";
import type { RecordedTree } from "./recorded-tree.js";

/** What no sandbox gets of a tree that was judged. */
export function withheld({ root }: Manifest): Node[] {
  return [...nodesBelow(root, (node) => node.leftOut === null)].filter((node) => node.leftOut !== null);
}

/** The entries runs would get that `recorded` does not have, parents first. */
export function addedTo(recorded: RecordedTree, { root }: Manifest): Node[] {
  return [...nodesBelow(root, (node) => node.leftOut === null)].filter(
    ({ entry, leftOut }) => leftOut === null && !recorded.has(keyOf(entry.path)),
  );
}
