// A failed step on our own disk as an error people can act on: which step, the system's reason, the way out.
import { IsoError } from "../model/errors.js";
import { errnoOf, SafeFsError } from "../safefs/errors.js";

const HINTS: Record<string, string> = {
  ENOENT: "Somebody removed a folder of ours meanwhile; the next start makes it anew.",
  ENOSPC: "Free some space on the disk that holds the roots.",
  EDQUOT: "The account's disk quota is used up: free some space or raise it.",
  EIO: "The disk failed: the kernel's log (`dmesg`) says more.",
  EROFS: "The disk is mounted read-only.",
  EACCES: "Give this account permission to read and write the files of both roots.",
  EPERM: "Give this account permission to read and write the files of both roots.",
  EMFILE: "Too many files are open in this process: raise `ulimit -n`.",
};

export function failure(thrown: unknown, what: string): IsoError {
  if (thrown instanceof IsoError) return thrown;
  const code = thrown instanceof SafeFsError ? thrown.code : errnoOf(thrown);
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const hint = code === undefined ? undefined : HINTS[code];
  return new IsoError("internal", `${what}: ${why}`, { cause: thrown, ...(hint !== undefined && { hint }) });
}
