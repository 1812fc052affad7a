// Where a word is found in a line, whatever colours the line has.
import type { Piece } from "./ansi.js";

export interface Part extends Piece {
  isFound: boolean;
}

const MOST = 400;

/** `word` is in lower case and not empty. */
export function cutAtMatches(pieces: readonly Piece[], word: string): Part[] {
  const whole = pieces
    .map(({ text }) => text)
    .join("")
    .toLowerCase();
  const found: Part[] = [];
  let at = whole.indexOf(word);
  let matches = 0;
  let start = 0;
  for (const { text, style } of pieces) {
    let from = 0;
    while (from < text.length) {
      const isIn = at >= 0 && start + from >= at && start + from < at + word.length;
      const next = at < 0 ? text.length : (isIn ? at + word.length : at) - start;
      const end = Math.min(text.length, Math.max(next, from + 1));
      found.push({ text: text.slice(from, end), style, isFound: isIn });
      from = end;
      if (isIn && start + from >= at + word.length) {
        matches += 1;
        at = matches < MOST ? whole.indexOf(word, at + word.length) : -1;
      }
    }
    start += text.length;
  }
  return found;
}
