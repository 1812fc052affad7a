// A root with a journal of receipts, as an engine opens it, and a run to write of.
import { join } from "node:path";
import { rejectedResult } from "../../src/harness/result.js";
import type { RunResult } from "../../src/model/result.js";
import { Receipts, type RunFacts } from "../../src/records/receipts.js";
import { WorkspaceStore } from "../../src/workspace/store.js";

interface Options {
  workspaceRoot?: string;
  keyFile?: string;
  turnMs?: number;
}

export async function openReceipts(
  root: string,
  { workspaceRoot = join(root, "w"), keyFile, turnMs = 60_000 }: Options = {},
) {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot: join(root, "s"), owner });
  const receipts = new Receipts({
    ...{ stateDir: store.stateDir, rootId: store.instance.rootId, instanceId: store.instance.id },
    ...{ keyFile: keyFile ?? null, turnMs },
    turn: (signal) => store.turn("receipts", signal),
  });
  return { receipts, store, file: join(store.stateDir, "receipts.jsonl") };
}

export function factsOf(runId: string, durable = false): RunFacts {
  return {
    run: { runId, userId: 'Zoë \u2028 "quoted"', turnId: runId, mode: "side-effects", scenario: null },
    inputs: {
      ...{ code: "c", args: "a", stdin: null, contract: null, tools: "t", profile: "p", envNames: ["A"] },
      ...{ timeoutMs: 1000, workspace: "", sync: "always" },
    },
    durable,
  };
}

export const resultOf = (runId: string): RunResult => ({
  ...rejectedResult({ runId, userId: "u" }, new Error("no")),
  status: "failed",
});
