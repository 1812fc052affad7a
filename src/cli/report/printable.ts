// Hostile text made safe for a terminal: no escape sequence, control or direction character of a program's reaches it.
import { escapeControls, stripAnsi } from "../../diagnostics/printable.js";

/** Line feeds and tabs stay. With `maxChars` the rest is cut and one `…` says so. */
export function printable(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const cut = text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
  return escapeControls(stripAnsi(cut), "\n\t");
}

/** The same for what must stay on one line: names, messages, values. */
export function oneLine(text: string, maxChars = 200): string {
  return unbroken(printable(text, maxChars));
}

/** A file's name with all that is in it: without its escape sequences it would be the name of another file. */
export function fileName(path: string, maxChars = 200): string {
  const cut = path.length > maxChars ? `${path.slice(0, maxChars)}…` : path;
  return unbroken(escapeControls(cut, "\n\t"));
}

function unbroken(text: string): string {
  return text.replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}
