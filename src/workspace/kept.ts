// What of a tree is handed on between workspace and sandbox: regular files, directories, and relative links that resolve
// inside. Everything else gets the reason it is left out with. Judged from a manifest alone; nothing is opened or followed.
import { RESERVED_DIR } from "./layout.js";
import { type Folder, isFolder, type Manifest, type Node, nodesBelow } from "./manifest.js";

/** Links that one path may pass through, as in the kernel. */
const MAX_HOPS = 40;
/** Holes of one tree, in bytes: whoever copies them must read their zeros, although they cost no disk. */
const MAX_HOLE_BYTES = 1024 ** 3;
const RESERVED = `"${RESERVED_DIR}/" at the top of out/ is reserved for the run's own logs; write to another folder`;

/**
 * Marks every node that is not handed on. Nodes below a directory that is left out are marked, too. With `before`, what the tree
 * held earlier, files with holes are handed on until the tree's holes reach a bound; those of `before` always are.
 */
export function judgeKept(manifest: Manifest, options: { before?: Manifest } = {}): void {
  for (const node of nodesBelow(manifest.root)) {
    const above = node.parent.node;
    node.leftOut ??=
      above?.leftOut ?? (above === null && node.entry.name.toString("latin1") === RESERVED_DIR ? RESERVED : null);
    node.leftOut ??= problemOf(node);
  }
  if (options.before) boundHoles(manifest, options.before);
}

/** By inode, so that a file that was renamed is the same, and several names of one file are one. */
function boundHoles(manifest: Manifest, before: Manifest): void {
  const then = new Map([...holesOf(before)].map(({ inode, bytes }) => [inode, bytes]));
  const holes = [...holesOf(manifest)];
  const isOld = ({ inode, bytes }: Hole) => bytes <= (then.get(inode) ?? 0);
  const kept = new Set<string>();
  let left = MAX_HOLE_BYTES;
  for (const hole of [...holes.filter(isOld), ...holes.filter((hole) => !isOld(hole))]) {
    const { node, inode, bytes } = hole;
    if (kept.has(inode)) continue;
    if (bytes > left && !isOld(hole)) {
      node.leftOut = `file with ${bytes} bytes of holes, more than out/ may still have`;
      continue;
    }
    kept.add(inode);
    left -= bytes;
  }
}

interface Hole {
  node: Node;
  inode: string;
  bytes: number;
}

function* holesOf(manifest: Manifest): Generator<Hole> {
  for (const node of nodesBelow(manifest.root)) {
    const { kind, size, blocks, dev, ino } = node.entry;
    const bytes = size - blocks * 512;
    if (kind === "file" && bytes > 0 && node.leftOut === null) yield { node, inode: `${dev}:${ino}`, bytes };
  }
}

function problemOf(node: Node): string | null {
  switch (node.entry.kind) {
    case "dir":
    case "file":
      return null;
    case "link":
      return linkProblem(node);
    case "fifo":
      return "named pipe";
    case "socket":
      return "socket";
    case "device":
      return "device file";
  }
}

function linkProblem(link: Node): string | null {
  const todo = componentsOf(link);
  if (todo === null) return "link with an absolute target";
  let at: Folder = link.parent;
  for (let hops = 1; ; ) {
    const name = todo.pop();
    if (name === undefined) return null;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (at.parent === null) return "link that leaves out/";
      at = at.parent;
      continue;
    }
    const node = at.children.get(name);
    if (node === undefined || node.entry.kind === "file") {
      // Nothing is there to pass through, now: it is fine as long as nothing that comes there later could lead outside.
      return todo.includes("..") ? 'link to nowhere with ".." behind it' : null;
    }
    if (isFolder(node)) {
      at = node;
    } else if (node.target === null) {
      return todo.includes("..") ? 'link through a special file with ".." behind it' : null;
    } else {
      const further = componentsOf(node);
      if (further === null) return "link through another one with an absolute target";
      hops += 1;
      if (hops > MAX_HOPS) return "link that leads in a circle";
      todo.push(...further);
      at = node.parent;
    }
  }
}

/** Components of a link's target, the last one first; null for an absolute target. */
function componentsOf(link: Node): string[] | null {
  const parts = (link.target?.toString("latin1") ?? "").split("/").reverse();
  return parts.length > 1 && parts.at(-1) === "" ? null : parts;
}
