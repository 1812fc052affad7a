// What the operator has in a workspace and no program saw: entries that no sandbox gets, and those put there by hand while a run
// was under way. Both outlive the exchange of the tree.
import type { Dir } from "../safefs/dir.js";
import { FollowCursor } from "../safefs/follow-cursor.js";
import { type Folder, isFolder, keyOf, type Manifest, type Node, nodesBelow, scan } from "./manifest.js";
import type { RecordedTree } from "./recorded-tree.js";

/** `source` is the live tree as a run got it. Of a folder that is the operator's as a whole only the folder is listed. */
export async function operatorsOwn(source: Manifest, live: Dir): Promise<Node[]> {
  const own = withheld(source);
  if (!foldersChanged(source, live)) return own;
  return [...own, ...newIn(source.root, (await scan(live)).root)];
}

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

/** True where a folder has other entries than it had: its mtime tells, and looking at folders alone is quick. */
function foldersChanged(source: Manifest, live: Dir): boolean {
  if (live.mtimeNs !== source.mtimeNs) return true;
  using cursor = new FollowCursor(live);
  const frames = [source.root.children.values()];
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const { value: node, done } = frame.next();
    if (done) {
      frames.pop();
      if (frames.length > 0) cursor.up();
    } else if (isFolder(node) && node.leftOut === null) {
      cursor.down(node.entry.name);
      const folder = cursor.dir;
      if (folder === null || folder.mtimeNs !== node.entry.mtimeNs) return true;
      frames.push(node.children.values());
    }
  }
  return false;
}

/** The topmost entries of `now` that have no counterpart in `before`, marked as no program's. */
function newIn(before: Folder, now: Folder): Node[] {
  const found: Node[] = [];
  const pairs = [{ before, now }];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    for (const [key, node] of pair.now.children) {
      const earlier = pair.before.children.get(key);
      if (earlier === undefined) found.push(own(node));
      else if (isFolder(node) && isFolder(earlier) && earlier.leftOut === null)
        pairs.push({ before: earlier, now: node });
    }
  }
  return found;
}

function own(node: Node): Node {
  node.leftOut = "the operator's own";
  if (isFolder(node)) for (const below of nodesBelow(node)) below.leftOut = node.leftOut;
  return node;
}
