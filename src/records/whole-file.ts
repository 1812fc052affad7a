// Files of our own state that are whole or absent, whenever their process dies: written beside their place under its name, then renamed; and
// names that one process alone can win.
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../safefs/errors.js";

const MODE = 0o600;
/** A file that a process did not finish is named for it. */
const UNFINISHED = /\.([0-9a-f]{16})$/;

/** The process that did not finish this file; null for a file that is whole. */
export const writerOf = (name: string): string | null => UNFINISHED.exec(name)?.[1] ?? null;

/** Takes the place of what is there. `written` is called in between. */
export function putWhole(path: string, text: string, owner: string, written: () => void = () => undefined): void {
  const mark = `${path}.${owner}`;
  try {
    writeNew(mark, text);
    written();
    renameSync(mark, path);
  } catch (error) {
    rmSync(mark, { force: true });
    throw error;
  }
}

/** The same off this thread, in a folder that is there: nobody waits for it. */
export async function putWholeAside(path: string, text: string, owner: string): Promise<void> {
  const mark = `${path}.${owner}`;
  try {
    await writeFile(mark, text, { mode: MODE });
    await rename(mark, path);
  } catch (error) {
    rmSync(mark, { force: true });
    throw error;
  }
}

/** False where there is such a file already, which stays as it is. */
export function claimName(path: string, text: string, owner: string): boolean {
  const mark = `${path}.${owner}`;
  try {
    writeNew(mark, text);
    linkSync(mark, path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(mark, { force: true });
  }
}

/** At once in its place. A user's first file makes the folder. */
function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: MODE });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, text, { mode: MODE });
  }
}
