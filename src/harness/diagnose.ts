// Diagnose: what this run alone left to read. Puts the host's logs into out/logs of the sandbox folder, renders the tree, bounds the tails.
import { join } from "node:path";
import { infraLines } from "../diagnostics/infra-log.js";
import { renderKnown, renderTree } from "../diagnostics/tree.js";
import type { Diagnostics } from "../model/result.js";
import { step } from "../model/steps.js";
import type { KnownTree } from "../safefs/known-tree.js";
import { SafeFsError, Tree } from "../safefs/tree.js";
import type { Sandbox } from "../sandbox/backend.js";
import type { Prepared } from "../workspace/store.js";
import type { Recorder } from "./recorder.js";

export interface Findings {
  diagnostics: Diagnostics;
  totals: { errorLines: number; tracebacks: number };
}

interface DiagnoseInput {
  recorder: Recorder;
  prepared: Prepared;
  sandbox: Sandbox;
  /** What the diff saw of the sandbox folder. */
  known: KnownTree | null;
}

export async function diagnose({ recorder, prepared, sandbox, known }: DiagnoseInput): Promise<Findings> {
  for (const line of sandbox.engineLog()) recorder.infra("engine", line);
  const { errorLines, tracebacks, totals, userLog, infraLog: said, troubles } = await recorder.finish();
  const { tree, trouble } = await show(prepared, known);
  if (trouble !== null) troubles.push(trouble);
  // Said here alone: the log on disk is what could not be written, or is in its place already.
  const infraLog = [said, ...troubles.map((text) => infraLines("runtime", text))].join("");
  const hasError = totals.errorLines > 0 || totals.tracebacks > 0;
  return { diagnostics: { tree, userLog, infraLog, errorLines, tracebacks, hasError }, totals };
}

/** By now the run is over and its files are kept: what cannot be shown of it is said, and is no reason to lose its result. */
async function show(
  { dir: dirPath, logs }: Prepared,
  known: KnownTree | null,
): Promise<{ tree: string; trouble: string | null }> {
  let tree = "";
  try {
    tree = known === null ? await walked(dirPath) : await renderKnown(known, LEFT_OUT);
    await placeLogs(join(dirPath, "out"), logs);
    step("logs.placed");
    return { tree, trouble: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { tree, trouble: `the sandbox folder's tree or logs cannot be shown: ${reason}` };
  }
}

const LEFT_OUT = { skip: ["out/logs"] };

async function walked(path: string): Promise<string> {
  using dir = Tree.open(path);
  return await renderTree(dir, LEFT_OUT);
}

/** What the program planted at out/logs goes first; an out/ that is no folder any more gets none. */
async function placeLogs(outPath: string, logs: string): Promise<void> {
  using out = openOut(outPath);
  if (out === null) return;
  try {
    out.adopt("logs", logs);
  } catch (error) {
    if (out.stat("logs") === null) throw error;
    await out.remove("logs");
    out.adopt("logs", logs);
  }
}

function openOut(path: string): Tree | null {
  try {
    return Tree.open(path);
  } catch (error) {
    if (error instanceof SafeFsError && ["missing", "link", "not_directory"].includes(error.reason)) return null;
    throw error;
  }
}
