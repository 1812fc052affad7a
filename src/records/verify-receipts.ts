// Reads a journal of receipts from its first line to its last and says where it is not what was written. Takes it a line at a time,
// whatever its length. One that is not there is one without receipts.
import { type KeyObject, verify } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { z } from "zod";
import { RECEIPT_SCHEMA, sha256 } from "./receipt.js";
import { keyId } from "./receipt-key.js";
import { MAX_LINE_BYTES, NO_HASH } from "./receipts.js";

const NEWLINE = 0x0a;
const MAX_FAULTS = 20;
const SIGNATURE = /,"signature":"([A-Za-z0-9+/]{86}==)"\}$/;

/** What verifying needs of a line; the rest is for people. */
const Line = z.object({
  schema: z.literal(RECEIPT_SCHEMA),
  seq: z.number().int().positive(),
  prev: z.string(),
  key: z.string().optional(),
  removedBefore: z.number().optional(),
});

type Line = z.output<typeof Line>;

export interface Place {
  readonly seq: number;
  readonly hash: string;
}

export interface Fault {
  /** Number of the line, from 1; 0 for the journal as a whole. */
  readonly line: number;
  readonly message: string;
}

export interface Verified {
  whole: boolean;
  receipts: number;
  signed: number;
  head: Place | null;
  /** The first of them. */
  faults: Fault[];
  totalFaults: number;
  /** Bytes of a last line that a dying process left unfinished; nobody was told of it. */
  unfinishedBytes: number;
  /** Receipts before which such a line was removed. */
  healed: number[];
}

export interface Demands {
  /** What `receipts head` printed once: that receipt must still be there. */
  head: Place | null;
  /** Signatures must be this key's. */
  publicKey: KeyObject | null;
  /** From this receipt on none may be unsigned; null: after the first that is signed. */
  signedFrom: number | null;
}

export async function verifyReceipts(file: string, demands: Demands): Promise<Verified> {
  const found: Verified = {
    ...{ whole: true, receipts: 0, signed: 0, head: null, faults: [], totalFaults: 0, unfinishedBytes: 0, healed: [] },
  };
  let number = 0;
  const fault = (message: string, line = number) => {
    found.whole = false;
    found.totalFaults += 1;
    if (found.faults.length < MAX_FAULTS) found.faults.push({ line, message });
  };
  let last: Place = { seq: 0, hash: NO_HASH };
  let kept = demands.head === null;
  for await (const { bytes, ended } of linesOf(file)) {
    if (!ended) {
      found.unfinishedBytes = bytes?.length ?? MAX_LINE_BYTES;
      break;
    }
    number += 1;
    const text = bytes?.toString() ?? "";
    const line = parse(text);
    if (bytes === null || line === null) {
      fault("it is no receipt");
      last = { seq: last.seq + 1, hash: bytes === null ? "" : sha256(bytes) };
      continue;
    }
    const place = { seq: line.seq, hash: sha256(bytes) };
    for (const message of breaks(line, last)) fault(message);
    const signedFrom = demands.signedFrom ?? (found.signed > 0 ? 1 : Number.POSITIVE_INFINITY);
    for (const message of signatureFaults(text, line, demands.publicKey, signedFrom)) fault(message);
    if (SIGNATURE.test(text)) found.signed += 1;
    if (line.removedBefore !== undefined) found.healed.push(line.seq);
    if (demands.head?.seq === place.seq && demands.head.hash === place.hash) kept = true;
    found.receipts += 1;
    last = place;
    found.head = place;
  }
  if (!kept && demands.head) {
    const { seq } = demands.head;
    fault(
      last.seq < seq
        ? `it ends before receipt ${seq}, which was its head once`
        : `receipt ${seq} is another than it was`,
      0,
    );
  }
  return found;
}

function parse(text: string): Line | null {
  try {
    return Line.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** What of a line does not follow from the one before. */
function breaks({ seq, prev }: { seq: number; prev: string }, last: Place): string[] {
  const expected = last.seq + 1;
  if (seq > expected) return [`receipt ${seq} follows ${last.seq || "nothing"}: ${seq - expected} lost`];
  if (seq < expected) return [`receipt ${seq} follows ${last.seq}: out of order, or there twice`];
  if (prev === last.hash) return [];
  return [
    last.seq === 0
      ? "it follows a receipt that is not there"
      : "the receipt before it is another than it followed when it was written",
  ];
}

function signatureFaults(text: string, line: Line, publicKey: KeyObject | null, signedFrom: number): string[] {
  const found = SIGNATURE.exec(text);
  if (found === null) return line.seq < signedFrom ? [] : ["it is not signed"];
  if (publicKey === null) return [];
  if (line.key !== keyId(publicKey)) return [`it is signed with another key, ${line.key ?? "which it does not name"}`];
  const unsigned = `${text.slice(0, found.index)}}`;
  const right = verify(null, Buffer.from(unsigned), publicKey, Buffer.from(found[1] ?? "", "base64"));
  return right ? [] : ["its signature is not of what it says"];
}

/** `bytes` is null for a line that is too long to be one; `ended` is false where the file ends without a newline. */
async function* linesOf(file: string): AsyncGenerator<{ bytes: Buffer | null; ended: boolean }> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = () => {
    const bytes = length > MAX_LINE_BYTES ? null : Buffer.concat(parts);
    parts = [];
    length = 0;
    return bytes;
  };
  const add = (part: Buffer) => {
    length += part.length;
    if (length <= MAX_LINE_BYTES) parts.push(part);
  };
  if (!existsSync(file)) return;
  for await (const chunk of createReadStream(file)) {
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, at));
      yield { bytes: take(), ended: true };
      start = at + 1;
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield { bytes: take(), ended: false };
}
