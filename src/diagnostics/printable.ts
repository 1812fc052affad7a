// Bytes and text of a program made harmless for people to read: decoded without loss of place, colour codes taken out,
// control characters spelled out.

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 as text; what is no UTF-8 becomes U+FFFD. */
export function decodeUtf8(bytes: Buffer): string {
  return decoder.decode(bytes);
}

/** CSI sequences (colours, cursor), OSC sequences (titles, links) and the two-character rest. */
const ANSI = /\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\)|[@-Z\\^_])/g;

export function stripAnsi(text: string): string {
  return text.includes("\x1b") ? text.replace(ANSI, "") : text;
}

/** Control characters, those that reorder or break lines on a screen, and halves of surrogate pairs. */
const HARMFUL =
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** The text with control characters as \xNN or \uNNNN; those in `keep` stay. */
export function escapeControls(text: string, keep = ""): string {
  return text.replace(HARMFUL, (char) => {
    if (keep.includes(char)) return char;
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Digits in groups, as "12,345", whatever the host's language. */
export function groupDigits(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Bytes for people, as "1.2 MiB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = bytes;
  let unit = "B";
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(1)} ${unit}`;
}
