// From a user id to the name of the user's folder and back. Two ids never share a folder on any file system: names are made
// of lower-case ASCII only, so neither case folding nor normal forms can bring two of them together.

import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { IsoError } from "../model/errors.js";

/** Which workspace of which user; no name is the user's main one, null is none at all: nothing read, nothing kept. */
export interface WorkspaceRef {
  readonly userId: string;
  readonly workspace?: string | null | undefined;
}

const MAX_USER_ID_CHARS = 128;

const PLAIN = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const WORKSPACE_NAME = /^[a-z0-9_-]{1,32}$/;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
/**
 * Longest encoded id. A folder name has 255 bytes at most, and a workspace's name takes up to 33 of them. An id of 128
 * characters can carry more than twice the bits that 222 such letters can, so no encoding fits them all: longer ones are
 * named by their hash, and the id itself is recorded beside (see user-record.ts).
 */
const MAX_ENCODED = 221;
/** "0" is no letter of the alphabet above, so no encoded id begins with it. */
const HASHED = /^~0[0-9a-f]{64}$/;

export function checkUserId(userId: string): void {
  const problem = userIdProblem(userId);
  if (problem !== null) throw new IsoError("invalid_user_id", `The user id ${problem}.`, { field: "userId" });
}

/** A user id from outside; throws `invalid_user_id` for anything that is none. */
export function parseUserId(input: unknown): string {
  if (typeof input !== "string") throw new IsoError("invalid_user_id", "The user id is no text.", { field: "userId" });
  checkUserId(input);
  return input;
}

function userIdProblem(userId: string): string | null {
  if (userId.length === 0) return "is empty";
  if (userId.length > 2 * MAX_USER_ID_CHARS || [...userId].length > MAX_USER_ID_CHARS) {
    return `has more than ${MAX_USER_ID_CHARS} characters`;
  }
  if (/\p{Surrogate}/u.test(userId)) return "is no valid Unicode: it has half a surrogate pair";
  if (/\p{Cc}/u.test(userId)) return "has a control character";
  if (userId.trim() === "") return "is blank";
  if (userId === "." || userId === "..") return `is "${userId}"`;
  if (userId.normalize("NFC") !== userId) return "is not in Unicode normal form NFC";
  return null;
}

/** The folder name of a user's main workspace. */
export function userDirName(userId: string): string {
  checkUserId(userId);
  if (PLAIN.test(userId)) return userId;
  const bytes = Buffer.from(userId, "utf8");
  if (Math.ceil((bytes.length * 8) / 5) <= MAX_ENCODED) return `~${toBase32(bytes)}`;
  return `~0${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The folder name of a workspace, or null for the workspace null. */
export function workspaceDirName(ref: WorkspaceRef): string | null {
  const user = userDirName(ref.userId);
  if (ref.workspace === null) return null;
  if (ref.workspace === undefined) return user;
  if (!WORKSPACE_NAME.test(ref.workspace)) {
    throw new IsoError("invalid_request", `The workspace name ${JSON.stringify(ref.workspace)} is not allowed.`, {
      field: "workspace",
      hint: "1–32 characters of a-z, 0-9, _ and -; or null for none.",
    });
  }
  return `${user}.${ref.workspace}`;
}

/** True for a folder that does not tell the id by itself. */
export function isHashedDir(dir: string): boolean {
  return HASHED.test(dir);
}

/** The user and workspace a folder belongs to; null where no id has this folder. `recorded` knows the ids of hashed names. */
export function decodeUserDir(dir: string, recorded: (dir: string) => string | null = () => null): WorkspaceRef | null {
  const dot = dir.indexOf(".");
  const user = dot === -1 ? dir : dir.slice(0, dot);
  const workspace = dot === -1 ? undefined : dir.slice(dot + 1);
  if (workspace !== undefined && !WORKSPACE_NAME.test(workspace)) return null;
  const userId = decodeUser(user, recorded);
  if (userId === null || userIdProblem(userId) !== null || userDirName(userId) !== user) return null;
  return workspace === undefined ? { userId } : { userId, workspace };
}

function decodeUser(dir: string, recorded: (dir: string) => string | null): string | null {
  if (PLAIN.test(dir)) return dir;
  if (isHashedDir(dir)) return recorded(dir);
  const bytes = dir.startsWith("~") ? fromBase32(dir.slice(1)) : null;
  return bytes !== null && isUtf8(bytes) ? bytes.toString("utf8") : null;
}

function toBase32(bytes: Buffer): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + BASE32[(held << (5 - bits)) & 31];
}

function fromBase32(text: string): Buffer | null {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    const value = BASE32.indexOf(letter);
    if (value === -1) return null;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((held >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}
