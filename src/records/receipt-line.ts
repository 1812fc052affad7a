// A line of the receipts' journal: how it is sealed, and what can be said of one without its neighbours. docs/receipts.md has
// the bytes: canonical JSON, then `sig` where it is signed, then `hash` over all that stands before it.
import { hash } from "node:crypto";
import { z } from "zod";
import { MiB } from "../model/limits.js";
import { canonicalJson } from "./canonical-json.js";
import type { SigningKey } from "./signing-key.js";

export const RECEIPT_SCHEMA = "iso-runtime/receipt@1";
/** A contract's paths are the only thing in it that can be long. */
export const MAX_LINE_BYTES = 16 * MiB;

/** A place in the chain. */
export interface Link {
  seq: number;
  hash: string;
}

/** What the first line follows. */
export const GENESIS: Link = { seq: 0, hash: "0".repeat(64) };

const Hash = z.string().regex(/^[0-9a-f]{64}$/);
const Line = z.looseObject({
  schema: z.literal(RECEIPT_SCHEMA),
  seq: z.int().min(1),
  prev: Hash,
  root: z.string(),
  instance: z.string(),
  at: z.string(),
  kind: z.enum(["began", "ended"]),
  /** Of an ending: the line of its beginning, null where no program began. */
  began: z.int().min(1).nullable().optional(),
  /** Bytes of an unfinished line that stood where this one begins. */
  cutBytes: z.int().min(1).optional(),
  key: z.string().optional(),
  run: z.looseObject({ runId: z.string(), userId: z.string(), turnId: z.string() }),
});
export type ReceiptLine = z.infer<typeof Line>;

export interface ReadLine {
  receipt: ReceiptLine;
  hash: string;
  /** False where the line was changed after it was sealed. */
  sealed: boolean;
  signature: { text: string; sig: string } | null;
}

const SEALED = /^(\{.*?)(?:,"sig":"([A-Za-z0-9+/]{86}==)")?,"hash":"([0-9a-f]{64})"\}$/s;

export const sha256 = (data: string | Buffer): string => hash("sha256", data);

/** `body` without `sig` and `hash`; the line ends in a line break. */
export function sealLine(
  body: Readonly<Record<string, unknown>>,
  key: SigningKey | null,
): { text: string; hash: string } {
  const plain = canonicalJson(key === null ? body : { ...body, key: key.id });
  const signed = key === null ? plain : `${plain.slice(0, -1)},"sig":"${key.sign(plain)}"}`;
  const hash = sha256(signed);
  return { text: `${signed.slice(0, -1)},"hash":"${hash}"}\n`, hash };
}

/** The line without its line break. A string says why it is no receipt. */
export function readLine(bytes: Buffer): ReadLine | string {
  if (bytes.length > MAX_LINE_BYTES) return `has more than ${MAX_LINE_BYTES} bytes`;
  const text = bytes.toString();
  const parts = SEALED.exec(text);
  if (parts === null) return "does not end in the hash of a receipt";
  const [, open = "", sig, hash = ""] = parts;
  const plain = `${open}}`;
  let found: unknown;
  try {
    found = JSON.parse(plain);
  } catch {
    return "is no JSON";
  }
  const { data: receipt } = Line.safeParse(found);
  if (receipt === undefined) return `is no ${RECEIPT_SCHEMA}`;
  // A second spelling of one value would be read in two ways by two readers.
  const sealed = sha256(withoutHash(bytes)) === hash && canonicalJson(found) === plain;
  return { receipt, hash, sealed, signature: sig === undefined ? null : { text: plain, sig } };
}

/** The bytes that `hash` is of: the line less its last member. */
function withoutHash(bytes: Buffer): Buffer {
  const member = `,"hash":"${GENESIS.hash}"`.length;
  return Buffer.concat([bytes.subarray(0, bytes.length - 1 - member), Buffer.from("}")]);
}
