// What one version changed: the rows of the paths it touched, as they were before and as they are in it. From a version's record and
// the deltas after it that of any earlier version follows, so that none but the newest is written down as a whole.
import { damaged, type RecordedTree, rowsOf, sameRecord, treeOf } from "./recorded-tree.js";

export interface Delta {
  /** Paths the version before had, as it had them. */
  readonly was: RecordedTree;
  /** Paths this one has, as it has them. A path that is in `was` alone is gone. */
  readonly now: RecordedTree;
}

export const emptyDelta = (): Delta => ({ was: new Map(), now: new Map() });

export const pathsOf = ({ was, now }: Delta): Set<string> => new Set([...was.keys(), ...now.keys()]);

export const touches = ({ was, now }: Delta, path: string): boolean => was.has(path) || now.has(path);

/** What turns one record into the other. */
export function deltaOf(before: RecordedTree, after: RecordedTree): Delta {
  const delta = emptyDelta();
  for (const [path, recorded] of after) {
    const earlier = before.get(path);
    if (sameRecord(earlier, recorded)) continue;
    if (earlier !== undefined) delta.was.set(path, earlier);
    delta.now.set(path, recorded);
  }
  for (const [path, recorded] of before) if (!after.has(path)) delta.was.set(path, recorded);
  return delta;
}

/** Makes the record of the version before that of this one. */
export function applyDelta(tree: RecordedTree, { was, now }: Delta): void {
  for (const path of was.keys()) if (!now.has(path)) tree.delete(path);
  for (const [path, recorded] of now) tree.set(path, recorded);
}

/** The other way round. */
export function revertDelta(tree: RecordedTree, { was, now }: Delta): void {
  applyDelta(tree, { was: now, now: was });
}

export function writeDelta({ was, now }: Delta): string {
  return JSON.stringify({ was: rowsOf(was), now: rowsOf(now) });
}

export function readDelta(text: string, source: string): Delta {
  const found: unknown = JSON.parse(text);
  if (typeof found !== "object" || found === null || !("was" in found) || !("now" in found)) throw damaged(source);
  return { was: treeOf(found.was, source), now: treeOf(found.now, source) };
}
