// Diagnose: what this run alone left to read. Puts the host's logs into out/logs of the sandbox folder, renders the tree, bounds the tails.

import { renderTree } from "../diagnostics/tree.js";
import { KEEP } from "../model/limits.js";
import type { Diagnostics } from "../model/result.js";
import { Tree } from "../safefs/tree.js";
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
  logDir: string;
}

export async function diagnose({ recorder, prepared, sandbox, logDir }: DiagnoseInput): Promise<Findings> {
  for (const line of sandbox.engineLog()) recorder.infra("engine", line);
  const found = await recorder.finish();
  using dir = Tree.open(prepared.dir);
  const tree = await renderTree(dir, { skip: ["out/logs"], maxBytes: KEEP.treeBytes });
  await placeLogs(dir, logDir);
  const { errorLines, tracebacks, totals, userLog, infraLog } = found;
  const hasError = totals.errorLines > 0 || totals.tracebacks > 0;
  return { diagnostics: { tree, userLog, infraLog, errorLines, tracebacks, hasError }, totals };
}

/** What the program planted at out/logs goes first; an out/ that is no folder any more gets none. */
async function placeLogs(dir: Tree, logDir: string): Promise<void> {
  if (dir.stat("out")?.kind !== "dir") return;
  await dir.remove("out/logs");
  dir.adopt("out/logs", logDir);
}
