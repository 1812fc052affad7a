// Hostile text made safe for a terminal: no escape sequence, control or direction character of a program's reaches it.
import { escapeControls, stripAnsi } from "../../diagnostics/printable.js";

/** Line feeds and tabs stay. With `maxChars` the rest is cut and one `…` says so. */
export function printable(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const cut = text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
  return escapeControls(stripAnsi(cut), "\n\t");
}

/** The same for what must stay on one line: names, messages, values. */
export function oneLine(text: string, maxChars = 200): string {
  return printable(text, maxChars).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}
