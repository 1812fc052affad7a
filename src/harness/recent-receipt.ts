// The receipt of one run for whoever asks over the network: two lines of the journal, looked for among its newest.
import { MiB } from "../model/limits.js";
import { readLine } from "../records/receipt-line.js";
import { receiptsFile } from "../records/receipts.js";
import { recentLines } from "../records/recent-lines.js";

/** Some twenty thousand runs. */
const LOOKED_THROUGH_BYTES = 64 * MiB;

export interface ReceiptLine {
  /** As the journal has it, with its hash and signature. */
  readonly line: Record<string, unknown>;
  /** Whether its hash is the one of its bytes. The chain as a whole is `iso-runtime receipts verify`'s to judge. */
  readonly sealed: boolean;
}

/** What was written when the program began and when the run ended. */
export interface ReceiptLines {
  readonly began: ReceiptLine | null;
  readonly ended: ReceiptLine | null;
}

export async function recentReceipt(stateDir: string, userId: string, runId: string): Promise<ReceiptLines | null> {
  let ended: ReceiptLine | null = null;
  for await (const line of recentLines(receiptsFile(stateDir), LOOKED_THROUGH_BYTES)) {
    // Most lines are another run's: only those that have the id somewhere are read.
    if (!line.includes(runId)) continue;
    const read = readLine(line);
    if (typeof read === "string") continue;
    const { run, kind } = read.receipt;
    if (run.runId !== runId || run.userId !== userId) continue;
    const found: ReceiptLine = { line: JSON.parse(line.toString()), sealed: read.sealed };
    if (kind === "began") return { began: found, ended };
    ended = found;
    // No program began.
    if (read.receipt.began === null) break;
  }
  return ended === null ? null : { began: null, ended };
}
