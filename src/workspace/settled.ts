// Which live trees are known to be what their newest version made, without looking at them: since that was found, the kernel was
// watching, and told of no change by anybody else.
import { lstatSync } from "node:fs";
import { type Delta, touches } from "./delta.js";
import { changesOf, type TreeWatch } from "./tree-watch.js";

interface State {
  /** The newest version; null where versions are off. */
  readonly id: string | null;
  /** Another one after each change, whoever made it. */
  readonly generation: number;
  /** Inodes of the live tree's folder and of its twin's. */
  readonly live: string;
  readonly twin: string;
}

/** Workspaces whose trees are watched at a time, the ones used last. */
const MAX_WATCHED = 256;

export class Settled {
  readonly #watch: TreeWatch;
  readonly #states = new Map<string, State>();
  #next = 1;

  constructor(watch: TreeWatch) {
    this.#watch = watch;
  }

  /** True where the tree at `live` is untouched since, `twin` its twin, and `id` the version. */
  async has(dirName: string, paths: { live: string; twin: string }, id: string | null): Promise<boolean> {
    const state = this.#states.get(dirName);
    if (state === undefined) return false;
    if (state.id === id && state.live === inodeOf(paths.live) && state.twin === inodeOf(paths.twin)) {
      const touched = await this.#watch.take(keyOf(dirName, state.live));
      if (touched !== null && changesOf(touched).length === 0) return true;
    }
    await this.forget(dirName);
    return false;
  }

  /** Before a live tree is looked at: whatever is done to it from now on is known at `looked`. False where it cannot be watched. */
  async beforeLook(dirName: string, live: string): Promise<boolean> {
    await this.forget(dirName);
    return await this.#watch.watch(keyOf(dirName, inodeOf(live)), live);
  }

  /** After the look: the tree was the version `id`, and its twin was brought up to it. */
  async looked(dirName: string, paths: { live: string; twin: string }, id: string | null): Promise<void> {
    const [live, twin] = [inodeOf(paths.live), inodeOf(paths.twin)];
    if (!(await this.#watch.watch(keyOf(dirName, twin), paths.twin))) return;
    const touched = await this.#watch.take(keyOf(dirName, live));
    if (touched === null || changesOf(touched).length > 0) return;
    this.#states.delete(dirName);
    this.#states.set(dirName, { id, generation: this.#next++, live, twin });
    const [oldest] = this.#states.keys();
    if (this.#states.size > MAX_WATCHED && oldest !== undefined) await this.forget(oldest);
  }

  /** The twin has the next version's changes and is about to be exchanged: what happened in it until now was ours. */
  async beforeExchange(dirName: string): Promise<void> {
    const state = this.#states.get(dirName);
    if (state !== undefined && !(await this.#ours(dirName, state.twin, null))) await this.forget(dirName);
  }

  /** The two were exchanged, and the old tree was brought up at the paths of `delta`; the version is `id` now. */
  async exchanged(dirName: string, delta: Delta, id: string | null): Promise<void> {
    const state = this.#states.get(dirName);
    if (state === undefined) return;
    const { live, twin } = state;
    if (await this.#ours(dirName, live, delta))
      this.#states.set(dirName, { id, generation: this.#next++, live: twin, twin: live });
    else await this.forget(dirName);
  }

  /** What the tree was when it was last found untouched; null where nothing is known of it. */
  generation(dirName: string): number | null {
    return this.#states.get(dirName)?.generation ?? null;
  }

  async forget(dirName: string): Promise<void> {
    const state = this.#states.get(dirName);
    this.#states.delete(dirName);
    for (const inode of state === undefined ? [] : [state.live, state.twin])
      await this.#watch.forget(keyOf(dirName, inode));
  }

  /** Takes what happened in a tree for our doing; false where it was not, or is not known. New folders are watched from here on. */
  async #ours(dirName: string, inode: string, delta: Delta | null): Promise<boolean> {
    const key = keyOf(dirName, inode);
    const touched = await this.#watch.take(key);
    if (touched === null) return false;
    const foreign = delta !== null && changesOf(touched).some((path) => !isIn(delta, path));
    return !foreign && (await this.#watch.add(key, touched.made));
  }
}

/** True for a path that was changed, for what is below one, and for the folders above. */
function isIn(delta: Delta, path: string): boolean {
  const names = path.split("/");
  if (names.some((_, at) => touches(delta, names.slice(0, at + 1).join("/")))) return true;
  const below = path === "" ? "" : `${path}/`;
  for (const paths of [delta.was, delta.now])
    for (const known of paths.keys()) if (known.startsWith(below)) return true;
  return false;
}

const keyOf = (dirName: string, inode: string): string => `${dirName}/${inode}`;

function inodeOf(path: string): string {
  return String(lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0);
}
