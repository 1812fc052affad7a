// Relative paths as safefs takes them: checked once here, split into the components that are opened one at a time.
import { SafeFsError } from "./errors.js";

/** Relative and "/"-separated; bytes where a name is no UTF-8. */
export type RelPath = string | Buffer;

const SLASH = 0x2f;

/** The components of a path below a tree. Throws `invalid_path` for anything that could name something else. */
export function splitPath(rel: RelPath): Buffer[] {
  const bytes = typeof rel === "string" ? Buffer.from(rel, "utf8") : rel;
  if (bytes.length === 0) throw new SafeFsError("invalid_path", "the path is empty");
  if (bytes.includes(0)) throw new SafeFsError("invalid_path", "the path holds a NUL byte");
  const parts: Buffer[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const slash = bytes.indexOf(SLASH, start);
    const end = slash === -1 ? bytes.length : slash;
    parts.push(checkName(bytes.subarray(start, end)));
    start = end + 1;
  }
  return parts;
}

function checkName(name: Buffer): Buffer {
  if (name.length === 0) throw new SafeFsError("invalid_path", "the path is absolute or has an empty component");
  const text = name.length <= 2 ? name.toString("latin1") : "";
  if (text === "." || text === "..") throw new SafeFsError("invalid_path", `the path has the component "${text}"`);
  return name;
}
