// The ed25519 keys of receipts: the private one that signs, kept below `.iso-runtime/keys` or where the operator says, and the
// public ones that a verifier was given. A key is known by the beginning of its public form's SHA-256.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { IsoError } from "../model/errors.js";
import { errnoOf } from "../safefs/errors.js";

const PUBLIC_BLOCK = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g;
const KEY_ID_LENGTH = 16;

export interface SigningKey {
  readonly id: string;
  /** Base64 of the 64 bytes. */
  sign(text: string): string;
}

export type PublicKeys = ReadonlyMap<string, KeyObject>;

export interface NewKey {
  file: string;
  keyId: string;
  /** PEM, as `--public-key` takes it. */
  publicKey: string;
}

/** Where a root keeps its own key. */
export const defaultKeyFile = (stateDir: string): string => join(stateDir, "keys", "receipts.pem");

/** Where the public half of a key that was made here lies. */
export const publicKeyFile = (file: string): string => file.replace(/\.pem$/, ".pub.pem");

/** Throws IsoError `config_invalid` where the file holds no such key; an absent one gives null unless it is required. */
export function readSigningKey(file: string, required?: "required"): SigningKey | null {
  // Asked before each receipt: most roots have no key, and to be told so by an error would cost more than the receipt.
  if (!required && !existsSync(file)) return null;
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(file));
  } catch (error) {
    if (errnoOf(error) === "ENOENT" && !required) return null;
    throw badKey(file, error instanceof Error ? error.message : String(error));
  }
  if (key.asymmetricKeyType !== "ed25519") throw badKey(file, `it is of the type ${key.asymmetricKeyType}`);
  const id = keyIdOf(createPublicKey(key));
  return { id, sign: (text) => sign(null, Buffer.from(text), key).toString("base64") };
}

/** Makes a key that only this account may read. Throws IsoError `invalid_request` where there is one already. */
export function makeSigningKey(file: string): NewKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Under its own name it is seen only when it is whole.
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  try {
    linkSync(unfinished, file);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    throw new IsoError("invalid_request", `There is a key already: "${file}".`, {
      hint: `Its public half is in "${publicKeyFile(file)}". For a new one move both away first, and keep the public half: it verifies what it signed.`,
    });
  } finally {
    unlinkSync(unfinished);
  }
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  writeFileSync(publicKeyFile(file), pem, { mode: 0o644 });
  return { file, keyId: keyIdOf(publicKey), publicKey: pem };
}

/** All public keys of a PEM text, as one that was followed by another. Throws IsoError `invalid_request`. */
export function readPublicKeys(pem: string, source: string): PublicKeys {
  const keys = (pem.match(PUBLIC_BLOCK) ?? []).map((block) => {
    try {
      return createPublicKey(block);
    } catch (error) {
      throw noPublicKey(source, error);
    }
  });
  if (keys.length === 0 || keys.some((key) => key.asymmetricKeyType !== "ed25519")) throw noPublicKey(source);
  return new Map(keys.map((key) => [keyIdOf(key), key]));
}

export function isSignedBy(key: KeyObject, text: string, signature: string): boolean {
  return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"));
}

function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, KEY_ID_LENGTH);
}

function badKey(file: string, why: string): IsoError {
  return new IsoError("config_invalid", `The key of the receipts, "${file}", cannot be used: ${why}`, {
    hint: "It must be an ed25519 private key in PEM, as `iso-runtime receipts keygen` and `openssl genpkey -algorithm ed25519` make it.",
  });
}

function noPublicKey(source: string, cause?: unknown): IsoError {
  return new IsoError("invalid_request", `${source} holds no ed25519 public key in PEM`, {
    hint: "`iso-runtime receipts keygen` prints one, and so does `openssl pkey -pubout -in KEY`.",
    cause,
  });
}
