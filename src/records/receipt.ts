// What one receipt says: of a run that is over, hashes of what went in and came out, what it was bound by, how it ended. Nothing of
// it is a secret: of variables the names alone, of everything else that may be long or private a hash.
import { createHash } from "node:crypto";
import type { ContractEntry } from "../model/files.js";
import type { RunResult } from "../model/result.js";

export const RECEIPT_SCHEMA = "iso-runtime/receipt@1";
/** A receipt with more artifacts names the first of them; the hash is of all. */
const MAX_ARTIFACTS = 100;

/** What the run was given, as it was accepted. */
export interface Inputs {
  readonly code: string;
  readonly stdin: string | null;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly contract: readonly ContractEntry[];
  readonly profile: object;
  readonly timeoutMs: number;
}

/** The part of a receipt that does not depend on its place in the journal. */
export function receiptOf(result: RunResult, inputs: Inputs, tools: unknown) {
  const { runId, userId, turnId, mode, status, error, exitCode, signal, sandbox, contract, changes, totals } = result;
  const { paths: _, ...document } = result;
  const artifacts = contract.map(({ path, status: found, bytes, sha256: hash }) => {
    return { path, status: found, bytes, sha256: hash };
  });
  return {
    ...{ runId, userId, turnId, mode },
    inputs: {
      code: sha256(inputs.code),
      stdin: inputs.stdin === null ? null : sha256(inputs.stdin),
      args: sha256(JSON.stringify(inputs.args)),
      // A hash of a short secret is the secret, to whoever tries them all.
      envNames: Object.keys(inputs.env).sort(),
      contract: sha256(JSON.stringify(inputs.contract)),
      tools: sha256(JSON.stringify(tools)),
      profile: sha256(JSON.stringify(inputs.profile)),
      timeoutMs: inputs.timeoutMs,
    },
    sandbox: sandbox && { backend: sandbox.backend, python: sandbox.python, policy: sandbox.policy },
    ending: { status, code: error?.code ?? null, limit: error?.limit ?? null, exitCode, signal },
    artifacts: { sha256: sha256(JSON.stringify(artifacts)), entries: artifacts.slice(0, MAX_ARTIFACTS) },
    changes: {
      ...{ created: totals.created, modified: totals.modified, deleted: totals.deleted, skipped: totals.skipped },
      sha256: sha256(JSON.stringify(changes)),
    },
    workspace: { synced: result.workspace.synced, version: result.workspace.version },
    document: sha256(JSON.stringify(document)),
  };
}

export type Receipt = ReturnType<typeof receiptOf>;

export const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
