// Verifies a journal of receipts: every line is as it was sealed, follows the one before, and is signed where a key is given.
// It trusts nothing but the public keys and the heads it was given.
import { journalLines } from "./journal-lines.js";
import { GENESIS, type Link, type ReadLine, type ReceiptLine, readLine } from "./receipt-line.js";
import { isSignedBy, type PublicKeys } from "./signing-key.js";

const MAX_PROBLEMS = 50;

export interface VerifyOptions {
  /** Null: signatures are counted, not checked. */
  publicKeys: PublicKeys | null;
  /** From this receipt on none may be unsigned; null: after the first that is signed, where keys are given. */
  signedFrom: number | null;
  /** Places of the chain that were kept elsewhere. */
  heads: readonly Link[];
  /** The root's identity, where the journal lies in its root. */
  rootId: string | null;
}

export interface Problem {
  /** Line of the file, from 1; null where the fault is what is not there. */
  line: number | null;
  message: string;
}

export interface Begun extends Pick<ReceiptLine, "seq" | "at" | "instance"> {
  runId: string;
  userId: string;
}

export interface JournalReport {
  /** Nothing was found that should not be so. */
  whole: boolean;
  lines: number;
  /** Runs whose ending is recorded. */
  ended: number;
  head: Link;
  problems: Problem[];
  /** Also those that the list has no room for. */
  problemCount: number;
  signatures: { checked: boolean; signed: number; unsigned: number; keys: string[] };
  /** Unfinished lines that an append cut and told. */
  cuts: { line: number; bytes: number }[];
  /** Programs that began and whose ending is not recorded. */
  open: Begun[];
}

export async function verifyReceipts(file: string, options: VerifyOptions): Promise<JournalReport> {
  const verifier = new Verifier(options);
  const lines = journalLines(file);
  let next = await lines.next();
  for (; !next.done; next = await lines.next()) verifier.line(next.value);
  return verifier.finish(next.value);
}

class Verifier {
  readonly #options: VerifyOptions;
  readonly #heads: Set<Link>;
  readonly #problems: Problem[] = [];
  #problemCount = 0;
  #lines = 0;
  #ended = 0;
  /** The place of the line before; its hash is null where that line cannot say. */
  #last: { seq: number; hash: string | null } = GENESIS;
  #head: Link = GENESIS;
  #root: string | null;
  #signed = 0;
  #unsigned = 0;
  readonly #keys = new Set<string>();
  readonly #cuts: JournalReport["cuts"] = [];
  readonly #open = new Map<number, Begun>();

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#heads = new Set(options.heads.filter(({ seq }) => seq !== GENESIS.seq));
    this.#root = options.rootId;
  }

  line(bytes: Buffer): void {
    this.#lines += 1;
    const read = readLine(bytes);
    if (typeof read === "string") {
      this.#problem(`it ${read}: it was changed, or is none of ours`);
      this.#last = { seq: this.#last.seq + 1, hash: null };
      return;
    }
    if (!read.sealed) {
      this.#problem("it was changed: its hash is not that of its content");
      this.#last = { seq: this.#last.seq + 1, hash: read.hash };
      return;
    }
    this.#follows(read);
    this.#signature(read);
    this.#keptHead(read);
    this.#meaning(read.receipt);
  }

  finish(unfinishedBytes: number | null): JournalReport {
    if (unfinishedBytes === null) {
      this.#problem(
        "there is no journal: nothing has run over this root, it is another root, or somebody removed it",
        null,
      );
    } else if (unfinishedBytes > 0) {
      this.#problem(
        `the file ends in ${unfinishedBytes} bytes of an unfinished line: its process died or the disk was full at that moment, and the next receipt cuts it and says so; or somebody cut the file`,
        this.#lines + 1,
      );
    }
    for (const { seq, hash } of this.#heads) {
      this.#problem(
        `receipt ${seq}, the kept head ${hash.slice(0, 12)}…, is not there: the journal was cut or replaced`,
        null,
      );
    }
    if (this.#options.publicKeys !== null && this.#signed === 0) this.#problem("no receipt is signed", null);
    return {
      whole: this.#problemCount === 0,
      ...{ lines: this.#lines, ended: this.#ended, head: this.#head },
      ...{ problems: this.#problems, problemCount: this.#problemCount },
      signatures: {
        checked: this.#options.publicKeys !== null,
        ...{ signed: this.#signed, unsigned: this.#unsigned, keys: [...this.#keys] },
      },
      cuts: this.#cuts,
      open: [...this.#open.values()],
    };
  }

  #follows({ receipt: { seq, prev, root }, hash }: ReadLine): void {
    const { seq: before, hash: expected } = this.#last;
    if (seq > before + 1) {
      const lost = seq === before + 2 ? `receipt ${before + 1} is` : `receipts ${before + 1} to ${seq - 1} are`;
      this.#problem(`${lost} missing before receipt ${seq}`);
    } else if (seq <= before)
      this.#problem(`receipt ${seq} stands behind receipt ${before}: repeated, or out of order`);
    else if (expected !== null && prev !== expected)
      this.#problem(`receipt ${seq} does not follow the line before it: one of the two was replaced`);
    this.#root ??= root;
    if (root !== this.#root) this.#problem(`receipt ${seq} is of another workspace root, ${root}`);
    this.#last = { seq, hash };
    this.#head = { seq, hash };
  }

  /** Unsigned receipts before the first signed one are vouched for by its signature, as it covers the chain up to it. */
  #signature({ receipt, signature }: ReadLine): void {
    if (signature === null) {
      this.#unsigned += 1;
      const { signedFrom, publicKeys } = this.#options;
      if (signedFrom !== null && receipt.seq >= signedFrom) this.#problem(`receipt ${receipt.seq} is not signed`);
      else if (publicKeys !== null && this.#signed > 0)
        this.#problem(`receipt ${receipt.seq} is not signed, though one before it is`);
      return;
    }
    this.#signed += 1;
    const id = receipt.key ?? "";
    this.#keys.add(id);
    if (this.#options.publicKeys === null) return;
    const key = this.#options.publicKeys.get(id);
    if (key === undefined) this.#problem(`receipt ${receipt.seq} is signed with the key ${id}, which was not given`);
    else if (!isSignedBy(key, signature.text, signature.sig))
      this.#problem(`receipt ${receipt.seq} has a signature that the key ${id} did not make`);
  }

  #keptHead({ receipt: { seq }, hash }: ReadLine): void {
    for (const kept of this.#heads) {
      if (kept.seq !== seq) continue;
      this.#heads.delete(kept);
      if (kept.hash !== hash)
        this.#problem(`receipt ${seq} is not the one whose hash was kept: the journal was rewritten`);
    }
  }

  #meaning({ seq, kind, began, at, instance, run, cutBytes }: ReceiptLine): void {
    if (cutBytes !== undefined) this.#cuts.push({ line: this.#lines, bytes: cutBytes });
    if (kind === "began") {
      this.#open.set(seq, { seq, at, instance, runId: run.runId, userId: run.userId });
      return;
    }
    this.#ended += 1;
    if (typeof began === "number") this.#open.delete(began);
  }

  #problem(message: string, line: number | null = this.#lines): void {
    this.#problemCount += 1;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ line, message });
  }
}
