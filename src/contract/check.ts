// What a kind of check is: the keys it adds to a contract entry, what it refuses before a run, and how it judges a file after it.
import type { z } from "zod";
import type { ArtifactCode, ContractEntry } from "../model/files.js";
import type { ArtifactFile } from "./artifact-file.js";

/** What is wrong with a file; `message` goes on after "<path>: ". */
export interface CheckFailure {
  code: ArtifactCode;
  message: string;
}

/** What the checks of one contract may take together; each subtracts what it took. */
export interface Budget {
  /** Of computing that nothing else can run beside. */
  blockingMs: number;
}

/** What is wrong with an entry before anything runs; `key` is the one at fault. */
export interface EntryFault {
  key: keyof ContractEntry;
  message: string;
}

export interface ContractCheck {
  /** Schemas of the entry's keys that are this check's. */
  readonly keys: z.ZodRawShape;
  /** Looks at an entry whose keys have the right types. */
  review(entry: ContractEntry): EntryFault | null;
  /** Judges a regular file that is there. Null when it is as promised, or when the entry asks nothing of this check. */
  run(entry: ContractEntry, file: ArtifactFile, budget: Budget): Promise<CheckFailure | null>;
}
