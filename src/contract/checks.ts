// The kinds of checks, in the order in which they judge a file; the first failure is the one that is told.
import type { ContractCheck } from "./check.js";
import { csvColumns } from "./checks/csv-columns.js";
import { jsonSchema } from "./checks/json-schema.js";
import { mediaType } from "./checks/media-type.js";
import { size } from "./checks/size.js";

export const CHECKS: readonly ContractCheck[] = [size, mediaType, jsonSchema, csvColumns];

/** The keys a contract entry may have for them. */
export const CHECK_KEYS = { ...size.keys, ...mediaType.keys, ...jsonSchema.keys, ...csvColumns.keys };
