// The diff of a run: of all its tree, or, where the kernel told what was touched in it, of that alone.
import { type Dir, openTrustedDir } from "../safefs/dir.js";
import { statAt } from "../safefs/entry.js";
import { PathCursor, splitLast } from "../safefs/path-cursor.js";
import { scanLive } from "./before.js";
import type { StoreContext } from "./context.js";
import { diffTrees, type Look, type TreeDiff } from "./diff.js";
import { bytesOf, differing, folderAt, isPlain, isPlainEntry, type KeptCopy } from "./kept-copy.js";
import { type Folder, folderIn, keyOf, lookUp, type Manifest, type Node } from "./manifest.js";
import type { Prepared } from "./prepared.js";

export async function diffRun(
  context: StoreContext,
  prepared: Prepared,
  live: string | null,
  maxNewEntries?: number,
): Promise<TreeDiff> {
  const { copy } = prepared;
  if (copy === null || live === null) return (await diffTrees(prepared, live, maxNewEntries)).diff;
  const { copies } = context;
  const { touched, mayKeep, changed } = await copies.touchedIn(copy.dirName, prepared.dir);
  const part = touched && lookAt(copy, prepared.out, live, new Set([...touched.changed, ...touched.opened]));
  if (part !== null) {
    const { diff } = await diffTrees(prepared, live, maxNewEntries, part.look);
    await copies.keep({ ...copy, repair: new Set([...part.repair, ...changed]) });
    return diff;
  }
  // Watched anew before it is looked at, so that whatever is done to it afterwards is known.
  const isWatched = mayKeep && (await copies.beforeLook(copy.dirName, prepared.out));
  const whole = prepared.source === null ? { ...prepared, source: await scanned(live) } : prepared;
  const { diff, after } = await diffTrees(whole, live, maxNewEntries);
  const repair = isWatched && after !== null && isPlain(after) ? differing(prepared.baseline, after) : null;
  if (repair === null || after === null) await copies.forget(copy.dirName);
  else {
    for (const path of changed) if (folderAt(after, splitLast(path)[0]) !== null) repair.add(path);
    await copies.keep({ ...copy, manifest: after, repair });
  }
  return diff;
}

async function scanned(path: string): Promise<Manifest> {
  using live = openTrustedDir(path);
  return await scanLive(live);
}

interface Part {
  look: Look;
  /** Paths at which the tree is other than at its delivery. */
  repair: Set<string>;
}

/** Looks at these paths alone; null where what is there cannot be judged without the rest of the tree. */
function lookAt(copy: KeptCopy, outPath: string, livePath: string, paths: ReadonlySet<string>): Part | null {
  using out = openTrustedDir(outPath);
  using live = openTrustedDir(livePath);
  if (out.ino !== copy.ino) return null;
  using inOut = new PathCursor(out);
  using inLive = new PathCursor(live);
  const { manifest } = copy;
  const [before, after, source] = [emptyFolder(), emptyFolder(), emptyFolder()];
  const size = { ...manifest.size };
  const repair = new Set<string>();
  for (const path of paths) {
    const [above, name] = splitLast(path);
    const folder = folderAt(manifest, above);
    const entry = folder && nodeAt(inOut.go(above), name, folder);
    const then = lookUp(manifest.root, bytesOf(path));
    if (folder === null || entry === null || entry.entry.kind !== "file" || !isPlainEntry(entry.entry)) return null;
    if (then !== null && then.entry.kind !== "file") return null;
    const copied = nodeAt(inLive.go(above), name, folder);
    for (const [root, node] of [
      [before, then],
      [after, entry],
      [source, copied],
    ] as const) {
      if (node !== null && !put(root, folder, node)) return null;
    }
    size.bytes += (entry.entry.blocks - (then?.entry.blocks ?? 0)) * 512;
    size.entries += then === null ? 1 : 0;
    if (then?.entry.ino !== entry.entry.ino || then.entry.ctimeNs !== entry.entry.ctimeNs) repair.add(path);
  }
  const { mtimeNs } = out.stats;
  return { look: { after: { ...manifest, root: after, size, mtimeNs }, before, source }, repair };
}

const emptyFolder = (): Folder => ({ children: new Map(), node: null, parent: null });

function nodeAt(dir: Dir | null, name: Buffer, parent: Folder): Node | null {
  const entry = dir && statAt(dir, name, parent.node?.entry ?? null);
  return entry && { entry, parent, children: null, target: null, leftOut: null };
}

/** Puts a node into a tree that has nothing but such nodes and the folders they are in. */
function put(root: Folder, folder: Folder, { entry }: Node): boolean {
  const place = placeOf(root, folder);
  place?.children.set(keyOf(entry.name), { entry, parent: place, children: null, target: null, leftOut: null });
  return place !== null;
}

function placeOf(root: Folder, { node }: Folder): Folder | null {
  if (node === null) return root;
  const above = placeOf(root, node.parent);
  return above && folderIn(above, node.entry);
}
