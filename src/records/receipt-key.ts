// The key that signs receipts: ed25519, in PEM. One made here lies in the state folder beside the journal; one kept elsewhere is named.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { IsoError } from "../model/errors.js";

export interface SigningKey {
  /** Tells keys apart in a journal: the first 16 hex digits of the public key's SHA-256. */
  readonly id: string;
  sign(text: string): string;
}

export const keyFile = (stateDir: string): string => join(stateDir, "keys", "receipts.pem");
export const publicKeyFile = (stateDir: string): string => join(stateDir, "keys", "receipts.pub.pem");

/** The key of `file`, or the state folder's own where none is named; null where there is none. Throws IsoError `config_invalid`. */
export function loadSigningKey(stateDir: string, file: string | null): SigningKey | null {
  const path = file ?? keyFile(stateDir);
  if (file === null && !existsSync(path)) return null;
  const key = readKey(path, createPrivateKey, "private");
  return { id: keyId(createPublicKey(key)), sign: (text) => sign(null, Buffer.from(text), key).toString("base64") };
}

export function loadPublicKey(file: string): KeyObject {
  return readKey(file, createPublicKey, "public");
}

/** Makes the state folder's key; throws where there is one, as receipts signed with it must stay verifiable. */
export function makeSigningKey(stateDir: string): { id: string; publicKey: string } {
  const path = keyFile(stateDir);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  placeNew(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  writeFileSync(publicKeyFile(stateDir), pem, { mode: 0o644 });
  return { id: keyId(publicKey), publicKey: pem };
}

export function keyId(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, 16);
}

/** Whole or not at all: half a key would stop every run. */
function placeNew(path: string, text: string): void {
  const half = `${path}.${process.pid}`;
  try {
    writeFileSync(half, text, { mode: 0o600, flag: "wx" });
    linkSync(half, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
    throw new IsoError("invalid_request", `There is a key already: ${path}`, {
      hint: "Move it and its public key away to sign with another from now on; keep the public key to verify what it signed.",
    });
  } finally {
    rmSync(half, { force: true });
  }
}

function readKey(file: string, parse: (text: string) => KeyObject, kind: "private" | "public"): KeyObject {
  try {
    const key = parse(readFileSync(file, "utf8"));
    if (key.asymmetricKeyType === "ed25519") return key;
    throw new Error(`it is of the type ${key.asymmetricKeyType}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new IsoError("config_invalid", `"${file}" is no ${kind} ed25519 key in PEM: ${reason}`, {
      hint: "`iso-runtime receipts keygen` makes one; so does `openssl genpkey -algorithm ed25519`.",
      cause: error,
    });
  }
}
