// Check: `schema`, a JSON Schema the file's JSON must meet. Schema and file are both untrusted: sizes, depth and time are bounded,
// and nothing is ever fetched.
import type { ErrorObject, ValidateFunction } from "ajv";
import { z } from "zod";
import type { ArtifactFile } from "../artifact-file.js";
import type { CheckFailure, ContractCheck } from "../check.js";
import { OutOfTimeError, withinTime } from "../within-time.js";
import { compileSchema, SchemaFault } from "./schema-compiler.js";

/** JSON beyond this is not parsed: it takes several times its size in memory. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;
const MAX_CHECK_MS = 2_000;

export const jsonSchema = {
  keys: { schema: z.unknown().optional() },

  review({ schema, columns }) {
    if (schema === undefined) return null;
    if (columns !== undefined)
      return { key: "schema", message: "is for JSON and `columns` is for CSV; give one of them" };
    try {
      compileSchema(schema);
      return null;
    } catch (error) {
      if (error instanceof SchemaFault) return { key: "schema", message: error.message };
      throw error;
    }
  },

  async run({ schema }, file, budget) {
    if (schema === undefined) return null;
    if (file.bytes > MAX_JSON_BYTES) {
      const message = `${file.bytes} bytes; JSON is checked against a schema up to ${MAX_JSON_BYTES} bytes`;
      return { code: "too_large", message };
    }
    const startedAt = performance.now();
    try {
      return validate(compileSchema(schema), file, Math.min(MAX_CHECK_MS, Math.floor(budget.blockingMs)));
    } finally {
      budget.blockingMs -= performance.now() - startedAt;
    }
  },
} satisfies ContractCheck;

function validate(check: ValidateFunction, file: ArtifactFile, maxMs: number): CheckFailure | null {
  const mismatch = (message: string): CheckFailure => ({ code: "schema_mismatch", message });
  if (maxMs <= 0)
    return mismatch("was not checked: the schemas of this contract took too long together; simplify them");
  let data: unknown;
  let text = "";
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    text = decoder.decode(file.read(MAX_JSON_BYTES));
    data = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return mismatch(`is no JSON: ${oneLine(whatIsWrong(text, error.message))}`);
    if (error instanceof TypeError) return mismatch("is no JSON: it is not UTF-8");
    throw error;
  }
  try {
    if (withinTime(maxMs, () => check(data))) return null;
    return mismatch(describe(check.errors?.[0]));
  } catch (error) {
    if (error instanceof OutOfTimeError) {
      return mismatch(`could not be checked within ${maxMs} ms; simplify the schema's patterns`);
    }
    if (isTooDeep(error)) return mismatch("is nested too deeply to be checked");
    throw error;
  }
}

/** Node quotes some letters around the fault: of a secret they would be a part, which nobody knows for one. */
function whatIsWrong(text: string, message: string): string {
  const found = /^(Unexpected token .*?), (\.\.\.)?"(.*)"(?:\.\.\.)? is not valid JSON$/s.exec(message);
  if (found === null) return message;
  const [, what = "", isCut, quoted = ""] = found;
  // It begins ten letters before the fault, or with the text.
  const line = text.slice(0, text.indexOf(quoted) + 10).split("\n").length;
  return isCut === undefined ? what : `${what} on line ${line}`;
}

function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return "does not meet its schema";
  const where = error.instancePath === "" ? "the document" : `"${oneLine(error.instancePath)}"`;
  const listed = error.params.additionalProperty ?? error.params.allowedValues;
  const detail = listed === undefined ? "" : ` (${oneLine(JSON.stringify(listed))})`;
  return `does not meet its schema: ${where} ${oneLine(error.message ?? "is not valid")}${detail}`;
}

/** Names in the file are the program's: no line breaks or escapes of theirs get into a message. */
function oneLine(text: string): string {
  return text.replace(/\p{C}+/gu, " ").slice(0, 300);
}

/** The stack ran out on a document as deep as a recursive schema lets it be; the error may come from another realm. */
function isTooDeep(error: unknown): boolean {
  return typeof error === "object" && error !== null && "name" in error && error.name === "RangeError";
}
