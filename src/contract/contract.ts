// Reads the contract of a request. Whatever is wrong with it is found here, before anything runs, and told with the field at fault.
import { z } from "zod";
import { IsoError } from "../model/errors.js";
import type { ContractEntry } from "../model/files.js";
import { MiB } from "../model/limits.js";
import { sayIssue } from "../model/say-issue.js";
import { CHECK_KEYS, CHECKS } from "./checks.js";
import { pathFault, pathKey } from "./contract-path.js";

const MAX_ENTRIES = 1000;
const MAX_DESCRIPTION = 4096;
/** Of paths and descriptions as JSON: the result document repeats them all. */
const MAX_TEXT_BYTES = MiB;

const KEYS = {
  path: z.string("must be a text"),
  description: z.string("must be a text").max(MAX_DESCRIPTION, `is longer than ${MAX_DESCRIPTION} characters`),
  optional: z.boolean("must be true or false").optional(),
  ...CHECK_KEYS,
};
const Entry = z.strictObject(KEYS);

/** The entries of a contract, in its order. Throws IsoError `contract_invalid`. */
export function parseContract(input: unknown): ContractEntry[] {
  if (!Array.isArray(input)) throw invalid("contract", "must be a list of {path, description}");
  if (input.length === 0) {
    throw invalid(
      "contract",
      "is an empty list; name at least one file, or leave the contract out to run for side effects",
    );
  }
  if (input.length > MAX_ENTRIES) throw invalid("contract", `has ${input.length} entries, more than ${MAX_ENTRIES}`);
  const entries = Array.from(input, (entry: unknown, index) => parseEntry(entry, `contract[${index}]`));
  const textBytes = Buffer.byteLength(JSON.stringify(entries.map(({ path, description }) => [path, description])));
  if (textBytes > MAX_TEXT_BYTES) {
    const message = `has ${textBytes} bytes of paths and descriptions, more than ${MAX_TEXT_BYTES}; shorten the descriptions`;
    throw invalid("contract", message);
  }
  refuseClashes(entries);
  return entries;
}

function parseEntry(input: unknown, field: string): ContractEntry {
  const parsed = Entry.safeParse(input, { error: sayIssue });
  if (!parsed.success) throw issueToError(parsed.error.issues[0], input, field);
  const entry: ContractEntry = parsed.data;
  const fault = pathFault(entry.path);
  if (fault !== null) throw invalid(`${field}.path`, fault);
  for (const check of CHECKS) {
    const found = check.review(entry);
    if (found !== null) throw invalid(`${field}.${found.key}`, found.message);
  }
  return entry;
}

/** No two entries may mean one file, and none may need a folder where another needs a file. */
function refuseClashes(entries: ContractEntry[]): void {
  const first = new Map<string, number>();
  entries.forEach(({ path }, index) => {
    const key = pathKey(path);
    const other = first.get(key);
    if (other !== undefined) {
      throw invalid(
        `contract[${index}].path`,
        `"${path}" is promised already by contract[${other}]; remove one of them`,
      );
    }
    first.set(key, index);
  });
  entries.forEach(({ path }, index) => {
    const key = pathKey(path);
    for (let slash = key.lastIndexOf("/"); slash !== -1; slash = key.lastIndexOf("/", slash - 1)) {
      const other = first.get(key.slice(0, slash));
      if (other === undefined) continue;
      const message = `"${path}" lies in "${entries[other]?.path}", which contract[${other}] promises as a file; rename one`;
      throw invalid(`contract[${index}].path`, message);
    }
  });
}

function issueToError(issue: z.core.$ZodIssue | undefined, input: unknown, field: string): IsoError {
  if (issue === undefined) return invalid(field, "is not a contract entry");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    return invalid(
      `${field}.${key.slice(0, 100)}`,
      `is no key of a contract entry; there are ${Object.keys(KEYS).join(", ")}`,
    );
  }
  if (issue.path.length === 0) return invalid(field, "must be an object {path, description}");
  const at = issue.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  const key = issue.path[0];
  const isMissing =
    issue.path.length === 1 &&
    typeof key === "string" &&
    typeof input === "object" &&
    input !== null &&
    !(key in input);
  return invalid(`${field}${at}`, isMissing ? "is missing" : issue.message);
}

/** The sentence begins with the field, so that it can be read alone. */
function invalid(field: string, message: string): IsoError {
  return new IsoError("contract_invalid", `${field} ${message}.`, { field });
}
