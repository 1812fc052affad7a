// The receipts of runs: what is written when a program begins and when a run ends. Names of variables, never their values, and
// of inputs only hashes.
import { join } from "node:path";
import type { RunResult } from "../model/result.js";
import { shownResult } from "../model/result-text.js";
import { canonicalJson } from "./canonical-json.js";
import { Journal, type TakeTurn } from "./journal.js";
import { type Link, RECEIPT_SCHEMA, sha256 } from "./receipt-line.js";
import { defaultKeyFile, readSigningKey, type SigningKey } from "./signing-key.js";

export const receiptsFile = (stateDir: string): string => join(stateDir, "receipts.jsonl");

/** Which run, and what it was given. */
export interface RunFacts {
  run: { runId: string; userId: string; turnId: string; mode: RunResult["mode"]; scenario: string | null };
  inputs: {
    code: string;
    args: string;
    /** Null where there is none. */
    stdin: string | null;
    contract: string | null;
    tools: string;
    profile: string;
    envNames: string[];
    timeoutMs: number;
    workspace: string | null;
    sync: string;
  };
  durable: boolean;
}

export interface ReceiptsOptions {
  /** The workspace root's `.iso-runtime`. */
  stateDir: string;
  rootId: string;
  /** Of the process that writes. */
  instanceId: string;
  turn: TakeTurn;
  /** A key the operator chose; null: the root's own, where there is one. */
  keyFile: string | null;
  turnMs?: number;
}

export class Receipts {
  readonly #who: { root: string; instance: string };
  readonly #ownKeyFile: string;
  readonly #journal: Journal;
  #key: SigningKey | null;

  /** Throws IsoError `config_invalid` for a chosen key that cannot be used. */
  constructor({ stateDir, rootId, instanceId, turn, keyFile, turnMs }: ReceiptsOptions) {
    this.#who = { root: rootId, instance: instanceId };
    this.#ownKeyFile = defaultKeyFile(stateDir);
    this.#key = keyFile === null ? null : readSigningKey(keyFile, "required");
    // A key that is made while this process lives is found by its next line.
    const key = () => {
      this.#key ??= readSigningKey(this.#ownKeyFile);
      return this.#key;
    };
    this.#journal = new Journal({ file: receiptsFile(stateDir), turn, key, ...(turnMs !== undefined && { turnMs }) });
  }

  /** A program is about to get this job. */
  async began({ run, inputs, durable }: RunFacts): Promise<Link> {
    return await this.#append({ kind: "began", run, inputs }, durable);
  }

  /** `beginning` is null where no program began, or where that could not be written down. */
  async ended({ run, inputs, durable }: RunFacts, result: RunResult, beginning: Link | null): Promise<Link> {
    const { sandbox, contract, changes, totals, toolCalls, workspace, status, error, exitCode, signal } = result;
    const { created, modified, deleted, skipped } = totals;
    const body = {
      ...{ kind: "ended", began: beginning?.seq ?? null, run, inputs },
      sandbox: sandbox && {
        ...{ backend: sandbox.backend, profile: sandbox.profile, python: sandbox.python.version },
        policy: sandbox.policy,
      },
      artifacts: contract.map((artifact) => {
        const { path, status, bytes, sha256 } = artifact;
        return { path, status, bytes, sha256 };
      }),
      changes: { created, modified, deleted, skipped, sha256: hashOf(changes) },
      toolCalls: { total: totals.toolCalls, sha256: hashOf(toolCalls) },
      workspace: { synced: workspace.synced, version: workspace.version, durability: workspace.durability },
      ending: { status, code: error?.code ?? null, limit: error?.limit ?? null, exitCode, signal },
      document: hashOf(shownResult(result)),
    };
    return await this.#append(body, durable);
  }

  #append(body: Readonly<Record<string, unknown>>, durable: boolean): Promise<Link> {
    const at = new Date().toISOString();
    return this.#journal.append({ schema: RECEIPT_SCHEMA, ...this.#who, at, ...body }, durable);
  }
}

/** Of a value: SHA-256 of its canonical JSON. */
export const hashOf = (value: unknown): string => sha256(canonicalJson(value));
