// Verifies a contract on the host, after the sandbox is dead: which promised files are there, written by this run, and as promised.
import type { Artifact, ContractEntry } from "../model/files.js";
import { type EntryKind, SafeFsError, type Tree } from "../safefs/tree.js";
import { ArtifactFile, type ContentFacts } from "./artifact-file.js";
import type { Budget } from "./check.js";
import { CHECKS } from "./checks.js";

/** What is known of the files before the run, and of what the run did to them. */
export interface ArtifactOrigin {
  existed(path: string): boolean;
  written(path: string): boolean;
  /** Why the file is not kept after the run; null where it is. */
  leftOut(path: string): string | null;
}

type Finding = Pick<Artifact, "status" | "code" | "message" | "bytes" | "mime" | "sha256">;

/** Of a contract's schemas together: other runs' deadlines wait meanwhile. */
const MAX_BLOCKING_MS = 5_000;
const NO_FILE = { bytes: null, mime: null, sha256: null };
const KINDS: Record<Exclude<EntryKind, "file">, string> = {
  dir: "a folder",
  link: "a symbolic link",
  fifo: "a FIFO",
  socket: "a socket",
  device: "a device",
};

/** Artifacts in the order of the entries. `out` is the run's out/. */
export async function verifyContract(
  entries: readonly ContractEntry[],
  out: Tree,
  origin: ArtifactOrigin,
): Promise<Artifact[]> {
  const artifacts: Artifact[] = [];
  const facts = new Map<string, ContentFacts>();
  const budget: Budget = { blockingMs: MAX_BLOCKING_MS };
  for (const entry of entries) {
    const { status, bytes, mime, sha256, code, message } = await judge(entry, out, { origin, facts, budget });
    artifacts.push({
      ...{ path: entry.path, description: entry.description, status },
      ...(code !== undefined && { code }),
      ...(message !== undefined && { message }),
      ...(entry.optional === true && { optional: true as const }),
      ...{ bytes, mime, sha256 },
    });
  }
  return artifacts;
}

/** True where one artifact is as promised, or is an optional one that is not there. */
function isMet(artifact: Artifact): boolean {
  return artifact.status === "satisfied" || (artifact.status === "missing" && artifact.optional === true);
}

export function contractMet(artifacts: readonly Artifact[]): boolean {
  return artifacts.every(isMet);
}

/** Artifacts named in the sentence about an unmet contract. */
const MAX_NAMED = 10;

/** What is not as promised, in a sentence; null when all is. */
export function summariseUnmet(artifacts: readonly Artifact[]): string | null {
  const unmet = artifacts.filter((artifact) => !isMet(artifact));
  if (unmet.length === 0) return null;
  const named = unmet.slice(0, MAX_NAMED).map(phrase);
  if (unmet.length > named.length) named.push(`and ${unmet.length - named.length} more`);
  const all = artifacts.length === 1 ? "artifact" : "artifacts";
  return `${unmet.length} of ${artifacts.length} ${all} ${unmet.length === 1 ? "is" : "are"} not as promised: ${named.join("; ")}.`;
}

function phrase({ path, status, message }: Artifact): string {
  switch (status) {
    case "missing":
      return `${path} is missing`;
    case "empty":
      return `${path} is empty`;
    case "stale":
      return `${path} was there before and was not written by this run`;
    default:
      return `${path}: ${message ?? status}`;
  }
}

interface Judging {
  origin: ArtifactOrigin;
  facts: Map<string, ContentFacts>;
  budget: Budget;
}

async function judge(entry: ContractEntry, out: Tree, { origin, facts, budget }: Judging): Promise<Finding> {
  const stat = out.stat(entry.path);
  if (stat === null) return absent(entry.path, out);
  if (stat.kind !== "file") return blocked(`is ${KINDS[stat.kind]}, not a regular file`);
  const leftOut = origin.leftOut(entry.path);
  if (leftOut !== null) return unread(stat.size, `is not kept: ${leftOut}`);
  const file = new ArtifactFile(out, entry.path, stat.size, factsOf(`${stat.dev}:${stat.ino}`, facts));
  try {
    return await judgeFile(entry, file, origin, budget);
  } catch (error) {
    if (!(error instanceof SafeFsError)) throw error;
    if (error.reason === "too_large") {
      return unread(stat.size, `${stat.size} bytes with holes between them, too large to be read`);
    }
    return blocked(`cannot be read: ${error.message}`);
  }
}

function factsOf(inode: string, all: Map<string, ContentFacts>): ContentFacts {
  const known = all.get(inode) ?? {};
  all.set(inode, known);
  return known;
}

async function judgeFile(
  entry: ContractEntry,
  file: ArtifactFile,
  origin: ArtifactOrigin,
  budget: Budget,
): Promise<Finding> {
  // First, as it refuses files whose holes pretend a size that nothing should read.
  const sha256 = await file.sha256();
  const facts = { bytes: file.bytes, mime: await file.mediaType(), sha256 };
  if (origin.existed(entry.path) && !origin.written(entry.path)) {
    return { status: "stale", message: "was there before and was not written by this run", ...facts };
  }
  if (file.bytes === 0 && entry.minBytes !== 0) return { status: "empty", message: "has no bytes", ...facts };
  for (const check of CHECKS) {
    const failure = await check.run(entry, file, budget);
    if (failure !== null) return { status: "invalid", ...failure, ...facts };
  }
  return { status: "satisfied", ...facts };
}

/** A file is not there; whether something that is no folder stands in its way tells missing from blocked. */
function absent(path: string, out: Tree): Finding {
  const names = path.split("/");
  for (let depth = 1; depth < names.length; depth++) {
    const folder = names.slice(0, depth).join("/");
    const kind = out.stat(folder)?.kind;
    if (kind === undefined) break;
    if (kind !== "dir") return blocked(`its folder ${folder} is ${kind === "file" ? "a file" : KINDS[kind]}`);
  }
  return { status: "missing", message: "is not there", ...NO_FILE };
}

function unread(bytes: number, message: string): Finding {
  return { status: "invalid", code: "too_large", message, bytes, mime: null, sha256: null };
}

function blocked(message: string): Finding {
  return { status: "blocked", message, ...NO_FILE };
}
