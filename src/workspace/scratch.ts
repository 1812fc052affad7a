// A pair of roots for a moment, on the file system of the real ones and reached by the same paths, below our own state folder
// where no user's folder is. What a killed process left of them goes when the next pair is made.
import { mkdirSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../safefs/remove.js";
import { STATE } from "./layout.js";

const PREFIX = "scratch-";
/** Far longer than anybody uses one. By the file system's own clock, the new folder's. */
const ABANDONED_MS = 60 * 60_000;

export interface ScratchRoots extends AsyncDisposable {
  readonly workspaceRoot: string;
  readonly sandboxRoot: string;
}

export async function makeScratchRoots(sandboxRoot: string): Promise<ScratchRoots> {
  const state = join(sandboxRoot, STATE);
  mkdirSync(sandboxRoot, { recursive: true, mode: 0o755 });
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(join(state, PREFIX));
  await removeAbandoned(state, statSync(dir).mtimeMs);
  return {
    workspaceRoot: join(dir, "workspace"),
    sandboxRoot: join(dir, "sandbox"),
    [Symbol.asyncDispose]: () => removeTree(dir),
  };
}

async function removeAbandoned(state: string, nowMs: number): Promise<void> {
  for (const name of readdirSync(state).filter((candidate) => candidate.startsWith(PREFIX))) {
    const madeAt = statSync(join(state, name), { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
    if (nowMs - madeAt > ABANDONED_MS) await removeTree(join(state, name)).catch(() => undefined);
  }
}
