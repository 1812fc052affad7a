// Engines whose host process died in the middle of a boot. bubblewrap's child waits for a word of its parent, and for ever where the
// parent is killed before it says it; that is before the child dies with its parent, and before it is in a control group. So every
// engine carries a mark in the environment it is started with, which names its sandbox; nothing inside a sandbox has it.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../safefs/errors.js";
import { InitProcess } from "../init-process.js";
import { readFileOrNull } from "./cgroup-host.js";

const VARIABLE = "ISO_RUNTIME_SANDBOX";
const END_TIMEOUT_MS = 2_000;
/** A parent that is killed here may just have made its child, which the next look finds. */
const MAX_LOOKS = 50;

/** The environment of an engine: `sandbox` is the name of its control group, there or not. */
export const markOf = (sandbox: string): Record<string, string> => ({ [VARIABLE]: sandbox });

/** Kills every engine whose sandbox is one of these; asked only after the engines were listed. Resolves when a look finds none. */
export async function endEngines(isOne: (sandbox: string) => Promise<boolean>): Promise<void> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const found = [];
    for (const { sandbox, engine } of markedProcesses()) if (await isOne(sandbox)) found.push(engine);
    const ended = await Promise.all(found.map(end));
    if (!ended.some(Boolean)) return;
  }
}

/** False where it is not ours to kill: whoever marked it so, it is no engine of ours. */
async function end(engine: InitProcess): Promise<boolean> {
  try {
    engine.kill();
  } catch (error) {
    if (errnoOf(error) !== "EPERM") throw error;
    return false;
  }
  return await engine.endsWithin(END_TIMEOUT_MS);
}

function markedProcesses(): { sandbox: string; engine: InitProcess }[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^[0-9]+$/.test(name) || Number(name) <= 1 || readMark(name) === null) return [];
    // Read again now that its start is known: only so the two are of one process.
    const engine = new InitProcess(Number(name));
    const sandbox = readMark(name);
    return sandbox === null ? [] : [{ sandbox, engine }];
  });
}

/** Null for what is nobody's to read, too: engines of ours are our own user's, or root asks. */
function readMark(pid: string): string | null {
  const words = readFileOrNull(join("/proc", pid, "environ"))?.split("\0") ?? [];
  const mark = words.find((word) => word.startsWith(`${VARIABLE}=`));
  return mark === undefined ? null : mark.slice(VARIABLE.length + 1);
}
