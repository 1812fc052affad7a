// Check: `columns`, which the header of a CSV file must have; the whole file must parse.
import { Readable } from "node:stream";
import { z } from "zod";
import type { ArtifactFile } from "../artifact-file.js";
import type { CheckFailure, ContractCheck } from "../check.js";
import { mediaTypeOfName } from "../detect-media-type.js";
import { canonicalType } from "./media-type.js";

const MAX_CSV_BYTES = 128 * 1024 * 1024;
const MAX_RECORD_BYTES = 1024 * 1024;
const MAX_COLUMNS = 1000;
const CSV_LIKE = new Set(["text/csv", "text/tab-separated-values"]);
const TAB = "\t";

export const csvColumns = {
  keys: {
    columns: z
      .array(z.string("must be a text").min(1, "must not be empty").max(300, "is longer than 300 characters"))
      .min(1, "must name at least one column; leave it out where any will do")
      .max(MAX_COLUMNS, `has more than ${MAX_COLUMNS} columns`)
      .optional(),
  },

  review({ columns, path, mime }) {
    if (columns === undefined) return null;
    if (new Set(columns).size < columns.length) return { key: "columns", message: "names a column twice" };
    const type = mime === undefined ? mediaTypeOfName(path) : canonicalType(mime);
    if (type !== null && CSV_LIKE.has(type)) return null;
    return { key: "columns", message: 'is for CSV: give the path .csv or .tsv, or add mime: "text/csv"' };
  },

  async run({ columns, mime }, file) {
    if (columns === undefined) return null;
    if (file.bytes > MAX_CSV_BYTES) {
      return { code: "too_large", message: `${file.bytes} bytes; CSV is checked up to ${MAX_CSV_BYTES} bytes` };
    }
    if (!(await file.mediaType()).startsWith("text/")) return failure("is no text in UTF-8");
    const tabs = [mime ?? "", mediaTypeOfName(file.path) ?? ""].some((type) => type.includes("tab-separated"));
    return await parseAll(file, columns, tabs ? TAB : await delimiterOf(file));
  },
} satisfies ContractCheck;

async function parseAll(file: ArtifactFile, columns: string[], delimiter: string): Promise<CheckFailure | null> {
  const { CsvError, parse } = await import("csv-parse");
  let header: string[] | null = null;
  const parser = parse({
    delimiter,
    bom: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    // Only the header is needed; records behind it are parsed and let go.
    on_record: (record: string[]) => {
      header ??= record;
      return null;
    },
  });
  try {
    const source = Readable.from(file.chunks(), { objectMode: false });
    source.on("error", (error) => parser.destroy(error));
    source.pipe(parser);
    for await (const record of parser) void record;
  } catch (error) {
    if (error instanceof CsvError)
      return failure(`does not parse as CSV: ${error.message.replace(/\p{C}+/gu, " ").slice(0, 300)}`);
    throw error;
  }
  return missingColumns(header ?? [], columns);
}

function missingColumns(header: string[], columns: string[]): CheckFailure | null {
  const has = new Set(header);
  const missing = columns.filter((column) => !has.has(column));
  if (missing.length === 0) return null;
  return failure(`lacks the ${missing.length === 1 ? "column" : "columns"} ${list(missing)}; it has ${list(header)}`);
}

/** What separates the fields of the first line: a comma, unless only a semicolon or a tab stands there. */
async function delimiterOf(file: ArtifactFile): Promise<string> {
  const head = (await file.head(64 * 1024)).toString("utf8");
  const line = (head.split(/\r?\n/).find((text) => text.trim() !== "") ?? "").replace(/"[^"]*"/g, "");
  if (line.includes(",")) return ",";
  return [";", TAB].find((delimiter) => line.includes(delimiter)) ?? ",";
}

function list(names: string[]): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, 20).map((name) => name.replace(/\p{C}+/gu, " ").slice(0, 60));
  return `${shown.join(", ")}${names.length > shown.length ? `, … (${names.length} in all)` : ""}`;
}

function failure(message: string): CheckFailure {
  return { code: "columns_missing", message };
}
