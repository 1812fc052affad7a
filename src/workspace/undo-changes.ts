// What must change for the live tree to be again what a version was.
import type { Change } from "./apply-changes.js";
import type { Past } from "./past.js";
import { type RecordedTree, sameRecord } from "./recorded-tree.js";

/** Paths that stay, whatever the version had: `own` are no program's, `added` came by hand since, and give way where the version has something. */
export interface Staying {
  readonly own: readonly string[];
  readonly added: readonly string[];
}

/** `current` is what the live tree holds. Files of the version that are nowhere any more are left out. */
export function changesBack(past: Past, id: string, current: RecordedTree, staying: Staying): Change[] {
  const target = past.treeOf(id);
  const stays = stayingIn(target, staying);
  const changes: Change[] = [];
  const gone = new Set<string>();
  for (const path of [...current.keys()].sort()) {
    if (target.has(path) || stays.has(path)) continue;
    if (!foldersOf(path).some((above) => gone.has(above))) changes.push({ path, coming: null });
    gone.add(path);
  }
  for (const [path, recorded] of target) {
    const now = current.get(path);
    if (recorded.kind === "dir") {
      if (now?.kind !== "dir") changes.push({ path, coming: { kind: "dir" } });
    } else if (recorded.kind === "link") {
      if (sameRecord(recorded, now)) continue;
      changes.push({ path, coming: { kind: "link", target: Buffer.from(recorded.target, "latin1"), mtimeNs: null } });
    } else {
      const found = past.locate(id, path);
      if (found === null || found.isNewest || (now?.kind === "file" && now.ino === String(found.entry.ino))) continue;
      changes.push({ path, coming: { kind: "file", from: found.root, entry: null, by: "link" } });
    }
  }
  return changes;
}

/** With the folders they are in. */
function stayingIn(target: RecordedTree, { own, added }: Staying): Set<string> {
  const hasRoom = (path: string) => foldersOf(path).every((above) => (target.get(above)?.kind ?? "dir") === "dir");
  const stays = new Set<string>();
  for (const path of [...own, ...added.filter((path) => !target.has(path) && hasRoom(path))]) {
    for (const kept of [path, ...foldersOf(path)]) stays.add(kept);
  }
  return stays;
}

/** The folders a path lies in, the topmost first. */
function foldersOf(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_, at) => names.slice(0, at + 1).join("/"));
}
