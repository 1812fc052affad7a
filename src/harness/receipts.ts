// What the command line asks of a root's receipts. Nothing here writes to the journal, and only `makeKey` makes anything at all.
import { IsoError } from "../model/errors.js";
import { readHead } from "../records/journal.js";
import { journalLines } from "../records/journal-lines.js";
import { type Link, readLine } from "../records/receipt-line.js";
import { receiptsFile } from "../records/receipts.js";
import { defaultKeyFile, makeSigningKey, type NewKey, publicKeyFile, readPublicKeys } from "../records/signing-key.js";
import { type Begun, type JournalReport, verifyReceipts } from "../records/verify-receipts.js";
import { processEnvironment } from "../settings/environment.js";
import { loadSettings, type Settings } from "../settings/settings.js";
import { isInstanceAlive } from "../workspace/instance.js";
import { type Layout, locateLayout } from "../workspace/layout.js";
import { readIfPresent } from "../workspace/small-file.js";
import { WorkspaceStore } from "../workspace/store.js";
import { fileOwner } from "./backend-chooser.js";

export interface VerifyInput {
  /** A copy of a journal; null: the root's own. */
  file: string | null;
  /** Text of a PEM file and what to call it. */
  publicKey: { pem: string; source: string } | null;
  /** The first receipt that must be signed, as `makeKey` said it; null: the one after the first that is. */
  signedFrom: number | null;
  /** What `journalHead` said before, kept elsewhere. */
  heads: readonly Link[];
}

export interface VerifyReport extends JournalReport {
  file: string;
  /** Programs whose run may still end: their process lives. Only known of the root's own journal. */
  underWay: Begun[];
}

/** Throws IsoError for a key that is none. Where no key is given, the root's own public key is taken for its own journal. */
export async function verifyJournal({ file: copy, publicKey, signedFrom, heads }: VerifyInput): Promise<VerifyReport> {
  const layout = rootLayout();
  const key = publicKey ?? (copy === null ? ownPublicKey(layout) : null);
  const publicKeys = key === null ? null : readPublicKeys(key.pem, key.source);
  const file = copy ?? receiptsFile(layout.state);
  const rootId = copy === null ? readIfPresent(layout.rootId) : null;
  const report = await verifyReceipts(file, { publicKeys, signedFrom, heads, rootId });
  const owners = [...new Set(copy === null ? report.open.map(({ instance }) => instance) : [])];
  const alive = new Set(owners.filter((id) => isInstanceAlive(layout, id)));
  return {
    ...{ file, ...report },
    open: report.open.filter(({ instance }) => !alive.has(instance)),
    underWay: report.open.filter(({ instance }) => alive.has(instance)),
  };
}

export function journalHead(): Link {
  return readHead(receiptsFile(rootLayout().state));
}

/** The lines of a run, as they are in the journal; whether they are true is the verifier's to say. */
export async function receiptsOf(runId: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of journalLines(receiptsFile(rootLayout().state))) {
    // Most lines are another run's: only those that have the id somewhere are read.
    if (!line.includes(runId)) continue;
    const read = readLine(line);
    if (typeof read === "string" || read.receipt.run.runId !== runId) continue;
    found.push(JSON.parse(line.toString()));
  }
  return found;
}

/** A key of the root's own: from now on every process of the root signs with it. */
export async function makeKey(): Promise<NewKey & { signsFrom: number }> {
  const settings = loadSettings({ flags: {}, ...processEnvironment() });
  if (settings.receiptsKey !== null) {
    throw new IsoError(
      "invalid_request",
      `Receipts are signed with "${settings.receiptsKey}" already, as the settings say.`,
      {
        hint: "`openssl genpkey -algorithm ed25519 -out KEY` makes a key anywhere; `openssl pkey -pubout -in KEY` prints its public half.",
      },
    );
  }
  const { workspaceRoot, sandboxRoot } = settings;
  await using store = await WorkspaceStore.open({ workspaceRoot, sandboxRoot, owner: fileOwner(settings) });
  // Between two receipts, so that the number is right.
  const turn = await store.turn("receipts");
  try {
    const made = makeSigningKey(defaultKeyFile(store.stateDir));
    return { ...made, signsFrom: readHead(receiptsFile(store.stateDir)).seq + 1 };
  } finally {
    turn.release();
  }
}

function ownPublicKey({ state }: Layout): VerifyInput["publicKey"] {
  const source = publicKeyFile(defaultKeyFile(state));
  const pem = readIfPresent(source);
  return pem === null ? null : { pem, source };
}

function rootLayout(): Layout {
  const { workspaceRoot, sandboxRoot }: Settings = loadSettings({ flags: {}, ...processEnvironment() });
  return locateLayout(workspaceRoot, sandboxRoot);
}
