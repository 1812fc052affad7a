// Which paths a contract may name: those that can only mean one file below out/, on any file system.

const MAX_PATH_BYTES = 4000;
const MAX_NAME_BYTES = 255;

/** What is wrong with a path, to go on after its field's name; null when nothing is. */
export function pathFault(path: string): string | null {
  if (path === "") return "is empty; name a file below out/, as report.csv";
  if (/\p{Cs}/u.test(path)) return "holds half a surrogate pair, which no file name can have";
  if (/\p{Cc}/u.test(path)) return `holds a control character (${controlName(path)}); leave it out`;
  if (path.startsWith("/")) return `"${path}" is absolute; paths are relative to out/, as ${suggest(path)}`;
  const names = path.split("/");
  if (names.includes("")) return `"${path}" has an empty component; write one / between names and none at the end`;
  const dots = names.find((name) => name === "." || name === "..");
  if (dots !== undefined) return `"${path}" has the component "${dots}"; name the file itself, below out/`;
  if (names[0] === "logs") return `"${path}" is in the top-level logs/, which is the host's; choose another folder`;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  const long = names.find((name) => Buffer.byteLength(name) > MAX_NAME_BYTES);
  if (long !== undefined) return `has a name longer than ${MAX_NAME_BYTES} bytes ("${long.slice(0, 40)}…")`;
  return null;
}

/** Two paths that some file systems take for one have the same key. */
export function pathKey(path: string): string {
  return path.normalize("NFC");
}

function controlName(path: string): string {
  const code = /\p{Cc}/u.exec(path)?.[0]?.charCodeAt(0) ?? 0;
  return `\\x${code.toString(16).padStart(2, "0")}`;
}

function suggest(path: string): string {
  const name = path.split("/").findLast((part) => part !== "" && part !== "." && part !== "..");
  return name === undefined ? "report.csv" : `"${name}"`;
}
