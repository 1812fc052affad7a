// Starts the resident engine as a process of its own, away from this one's terminal, and waits until callers find it.
import { spawn } from "node:child_process";
import { IsoError } from "../../model/errors.js";
import { packageFile } from "../../model/package-files.js";
import { processEnvironment } from "../../settings/environment.js";
import type { Fault } from "./frames.js";
import { enginesEnvironment } from "./place.js";

/** The descriptor by which the new process says how its start went. */
export const TELL_FD = 3;
/** Of the caller's variables beside those by which the engine is found. No other reaches it: they may be secrets, and it stays. */
const FURTHER = /^(?:LANG|LC_\w+|TZ|TMPDIR)$/;
const MAX_WORD_BYTES = 64 * 1024;

/** What the new process says, on one line: null, or why it could not begin. */
export type StartWord = { fault: Fault | null };

/** Throws the IsoError for which the new process gave up. */
export async function startProcess(args: readonly string[]): Promise<void> {
  const { env } = processEnvironment();
  const further = Object.entries(env).filter(([name]) => FURTHER.test(name));
  const child = spawn(process.execPath, [packageFile("dist/cli/main.js"), "daemon", "serve", ...args], {
    detached: true,
    env: { ...Object.fromEntries(further), ...enginesEnvironment(env) },
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const word = await Promise.race([readWord(child.stdio[TELL_FD] as NodeJS.ReadableStream), failed]);
  child.unref();
  if (word === null) throw new IsoError("internal", "The resident engine ended before it was ready.");
  if (word.fault === null) return;
  const { code, message, hint, field } = word.fault;
  throw new IsoError(code, message, { ...(hint !== undefined && { hint }), ...(field !== undefined && { field }) });
}

async function readWord(stream: NodeJS.ReadableStream): Promise<StartWord | null> {
  let text = "";
  for await (const chunk of stream) {
    text += chunk;
    if (text.includes("\n") || text.length > MAX_WORD_BYTES) break;
  }
  return text.endsWith("\n") ? JSON.parse(text) : null;
}
