// Python keeps what it compiled of a module in a folder beside it. Neither a launcher nor a sandbox may write there, and would compile our
// packages anew at each start, some 25 ms: the host does it once for each interpreter.
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { PACKAGES } from "./engine-files.js";
import type { Interpreter } from "./interpreter.js";
import { ask } from "./spawn.js";

const TIMEOUT_MS = 20_000;
const kept = new Map<string, Promise<void>>();

/**
 * Looked after once per process. `folder` holds our packages; where this user may not write, or it is another's, everything stays as it
 * is. Never rejects.
 */
export function keepCompiled(interpreter: Interpreter, folder: string): Promise<void> {
  const key = JSON.stringify([interpreter.executable, folder]);
  const keeping = kept.get(key) ?? compile(interpreter, folder);
  kept.set(key, keeping);
  return keeping;
}

async function compile({ executable, cacheTag }: Interpreter, folder: string): Promise<void> {
  if (!cacheTag) return;
  const lacking = PACKAGES.map((name) => join(folder, name)).filter((dir) => isOurs(dir) && !isCompiled(dir, cacheTag));
  if (lacking.length === 0) return;
  // By another name first, as Python itself does it: others may be reading. What is read is compared with the source's digest, as the
  // files of a package may all have one time.
  const how = ["-q", "-l", "--invalidation-mode", "checked-hash"];
  await ask(executable, ["-I", "-S", "-m", "compileall", ...how, ...lacking], { timeoutMs: TIMEOUT_MS });
}

/** What root would leave in a folder of somebody else's, that one could not remove. */
function isOurs(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return statSync(dir).uid === process.geteuid?.();
  } catch {
    return false;
  }
}

/** By times alone; Python itself looks more closely when it reads one. */
function isCompiled(dir: string, cacheTag: string): boolean {
  const writtenAt = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(dir)
    .filter((file) => file.endsWith(".py"))
    .every((file) => {
      const compiled = join(dir, "__pycache__", `${file.slice(0, -".py".length)}.${cacheTag}.pyc`);
      return writtenAt(compiled) >= writtenAt(join(dir, file));
    });
}
