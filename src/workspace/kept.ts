// What of a tree is handed on between workspace and sandbox: regular files, directories, and relative links that resolve
// inside. Everything else gets the reason it is left out with. Judged from a manifest alone; nothing is opened or followed.
import { RESERVED_DIR } from "./layout.js";
import { type Folder, isFolder, type Manifest, type Node, nodesBelow } from "./manifest.js";

/** Links that one path may pass through, as in the kernel. */
const MAX_HOPS = 40;
/** A file with holes is handed on up to this size: its zeros must be read, although they cost no disk. */
const MAX_SPARSE_BYTES = 4 * 1024 ** 3;
const RESERVED = `"${RESERVED_DIR}/" at the top of out/ is reserved for the run's own logs; write to another folder`;

/** Marks every node that is not handed on. Nodes below a directory that is left out are marked, too. */
export function judgeKept(manifest: Manifest, options: { sparseFiles: "any" | "bounded" }): void {
  for (const node of nodesBelow(manifest.root)) {
    const above = node.parent.node;
    node.leftOut ??=
      above?.leftOut ?? (above === null && node.entry.name.toString("latin1") === RESERVED_DIR ? RESERVED : null);
    node.leftOut ??= problemOf(node, options.sparseFiles);
  }
}

function problemOf(node: Node, sparseFiles: "any" | "bounded"): string | null {
  const { kind, size, blocks } = node.entry;
  switch (kind) {
    case "dir":
      return null;
    case "file":
      return sparseFiles === "bounded" && size > MAX_SPARSE_BYTES && blocks * 512 < size
        ? `file of ${size} bytes, most of them a hole`
        : null;
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
