// Receipts for the command line and for runs: which journal, which key, and what of a run goes in.

import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { IsoError, toIsoError } from "../model/errors.js";
import type { RunResult } from "../model/result.js";
import { receiptOf } from "../records/receipt.js";
import { keyFile, loadPublicKey, loadSigningKey, makeSigningKey, publicKeyFile } from "../records/receipt-key.js";
import { Receipts, receiptsFile } from "../records/receipts.js";
import { type Place, type Verified, verifyReceipts } from "../records/verify-receipts.js";
import { loadSettings, processEnvironment, type Settings } from "../settings/settings.js";
import { stateDirOf, type WorkspaceStore } from "../workspace/store.js";
import type { AcceptedRun } from "./accept.js";

export type { Place, Verified } from "../records/verify-receipts.js";

/** Throws IsoError `config_invalid` for a key that is none. */
export function openReceipts(store: WorkspaceStore, settings: Settings): Receipts {
  const key = loadSigningKey(store.stateDir, settings.receiptsKey);
  return new Receipts(store.stateDir, (work) => store.exclusively("receipts", work), key);
}

/** The result as it is told: where its receipt could not be written, that is part of it. */
export async function receipted(
  receipts: Receipts,
  result: RunResult,
  run: AcceptedRun,
  tools: unknown,
): Promise<RunResult> {
  try {
    await receipts.append(receiptOf(result, run, tools), run.durability === "disk");
    return result;
  } catch (error) {
    const line = `[receipts] this run has no receipt: ${toIsoError(error).message}\n`;
    const { diagnostics } = result;
    return { ...result, diagnostics: { ...diagnostics, infraLog: `${diagnostics.infraLog}${line}` } };
  }
}

export interface VerifyOptions {
  head: Place | null;
  /** A file; null takes the public key beside the journal, where there is one. */
  publicKey: string | null;
  signedFrom: number | null;
}

/** Reads the journal of the roots that the environment names. Makes nothing. */
export async function verifyJournal(
  options: VerifyOptions,
): Promise<Verified & { file: string; publicKey: string | null }> {
  const state = ownState();
  const file = receiptsFile(state);
  const beside = publicKeyFile(state);
  const publicKey = options.publicKey ?? (existsSync(beside) ? beside : null);
  const key: KeyObject | null = publicKey === null ? null : loadPublicKey(publicKey);
  return { file, publicKey, ...(await verifyReceipts(file, { ...options, publicKey: key })) };
}

/** Makes the key that signs from the next run on. */
export async function makeReceiptsKey(): Promise<{ id: string; publicKey: string; file: string; signsFrom: number }> {
  const state = ownState();
  if (!existsSync(state)) {
    throw new IsoError("invalid_request", `There is no workspace root yet: ${state} does not exist`, {
      hint: "Run something first: `iso-runtime run -c 'print(1)'` makes it.",
    });
  }
  const { head } = await verifyReceipts(receiptsFile(state), { head: null, publicKey: null, signedFrom: null });
  return { ...makeSigningKey(state), file: keyFile(state), signsFrom: (head?.seq ?? 0) + 1 };
}

function ownState(): string {
  return stateDirOf(loadSettings({ flags: {}, ...processEnvironment() }).workspaceRoot);
}
