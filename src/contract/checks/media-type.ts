// Check: `mime`, against what the content is.
import { z } from "zod";
import type { ContractCheck } from "../check.js";

const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})$/;
const UTF8_PARAMETER = /\s*;\s*charset\s*=\s*"?utf-?8"?\s*$/i;

/** Other names of one type. */
const SAME = new Map([
  ["application/x-javascript", "text/javascript"],
  ["application/javascript", "text/javascript"],
  ["application/ecmascript", "text/javascript"],
  ["application/x-gzip", "application/gzip"],
  ["application/x-zip-compressed", "application/zip"],
  ["application/x-zip", "application/zip"],
  ["application/x-pdf", "application/pdf"],
  ["text/xml", "application/xml"],
  ["text/json", "application/json"],
  ["application/csv", "text/csv"],
  ["text/x-csv", "text/csv"],
  ["text/x-markdown", "text/markdown"],
  ["application/x-yaml", "text/yaml"],
  ["application/yaml", "text/yaml"],
  ["text/x-yaml", "text/yaml"],
  ["application/jsonl", "application/x-ndjson"],
  ["application/ndjson", "application/x-ndjson"],
  ["application/x-jsonlines", "application/x-ndjson"],
  ["application/jsonlines", "application/x-ndjson"],
  ["text/rtf", "application/rtf"],
  ["image/jpg", "image/jpeg"],
  ["image/pjpeg", "image/jpeg"],
  ["image/x-png", "image/png"],
  ["image/x-ms-bmp", "image/bmp"],
  ["image/x-icon", "image/vnd.microsoft.icon"],
  ["audio/x-wav", "audio/wav"],
  ["audio/vnd.wave", "audio/wav"],
  ["audio/wave", "audio/wav"],
  ["audio/mp3", "audio/mpeg"],
  ["audio/x-flac", "audio/flac"],
  ["application/x-sqlite3", "application/vnd.sqlite3"],
  ["application/x-parquet", "application/vnd.apache.parquet"],
]);

/** Lower case, without a charset parameter (text is UTF-8 or no text), under the name that stands for all of a type's names. */
export function canonicalType(type: string): string {
  const plain = type.trim().replace(UTF8_PARAMETER, "").toLowerCase();
  return SAME.get(plain) ?? plain;
}

export const mediaType = {
  keys: { mime: z.string("must be a text").max(300, "is longer than 300 characters").optional() },

  review({ mime }) {
    if (mime === undefined || TYPE.test(canonicalType(mime))) return null;
    return { key: "mime", message: `"${mime}" is no media type such as "text/csv" or "image/*"` };
  },

  async run({ mime }, file) {
    if (mime === undefined) return null;
    const wanted = canonicalType(mime);
    const found = canonicalType(await file.mediaType());
    if (matches(wanted, found)) return null;
    return { code: "wrong_type", message: `the content is ${found}, not ${mime}` };
  },
} satisfies ContractCheck;

function matches(wanted: string, found: string): boolean {
  if (wanted === found) return true;
  if (wanted.endsWith("/*")) return found.startsWith(wanted.slice(0, -1));
  // Every text is plain text, whatever its name says of it.
  return wanted === "text/plain" && found.startsWith("text/");
}
