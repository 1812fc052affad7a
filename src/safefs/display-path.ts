// How a path of bytes is shown to people and put in documents: as it is where it is UTF-8, else with \xNN and its exact bytes.
import { isUtf8 } from "node:buffer";
import type { FilePath } from "../model/files.js";

export function displayPath(path: Buffer): FilePath {
  if (isUtf8(path)) return { path: path.toString("utf8") };
  let text = "";
  for (let at = 0; at < path.length; ) {
    const length = sequenceLength(path, at);
    if (length === 0) {
      text += `\\x${path.subarray(at, at + 1).toString("hex")}`;
      at += 1;
    } else {
      text += path.toString("utf8", at, at + length);
      at += length;
    }
  }
  return { path: text, pathBase64: path.toString("base64") };
}

/** Bytes of the valid UTF-8 sequence at `at`, or 0 where there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(at, at + length))) return length;
  }
  return 0;
}
