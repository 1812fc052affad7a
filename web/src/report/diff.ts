// Two texts beside each other, line by line, within bounds: whatever a program writes, the tab goes on.
import { diffArrays, diffWordsWithSpace } from "diff";

export interface Side {
  number: number;
  text: string;
}

export type DiffRow =
  | { kind: "same"; left: Side; right: Side }
  | { kind: "changed"; left: Side | null; right: Side | null }
  /** Lines that are the same and are not shown. */
  | { kind: "fold"; count: number; from: number };

const MOST_EDITS = 2_000;
const LONGEST_MS = 1_500;
const MOST_LINES = 20_000;
const CONTEXT = 3;

/** Null where the texts are too long or too different to be shown beside each other. */
export function diffRows(before: string, after: string): DiffRow[] | null {
  const [left, right] = [linesOf(before), linesOf(after)];
  if (left.length > MOST_LINES || right.length > MOST_LINES) return null;
  const parts = diffArrays(left, right, { maxEditLength: MOST_EDITS, timeout: LONGEST_MS });
  if (parts === undefined) return null;
  const rows: DiffRow[] = [];
  let [leftAt, rightAt] = [0, 0];
  for (let index = 0; index < parts.length; index += 1) {
    const part = parts[index];
    if (part === undefined) break;
    const { value, added, removed } = part;
    if (!added && !removed) {
      for (const text of value) {
        leftAt += 1;
        rightAt += 1;
        rows.push({ kind: "same", left: { number: leftAt, text }, right: { number: rightAt, text } });
      }
      continue;
    }
    const next = parts[index + 1];
    const isPair = removed && next?.added;
    const gone = removed ? value : [];
    const come = added ? value : isPair ? next.value : [];
    if (isPair) index += 1;
    for (let at = 0; at < Math.max(gone.length, come.length); at += 1) {
      const [old, fresh] = [gone[at], come[at]];
      rows.push({
        kind: "changed",
        left: old === undefined ? null : { number: ++leftAt, text: old },
        right: fresh === undefined ? null : { number: ++rightAt, text: fresh },
      });
    }
  }
  return rows;
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** Leaves out what is the same and further away from a change than a few lines. `opened` are the folds that somebody opened. */
export function folded(rows: DiffRow[], opened: ReadonlySet<number>): DiffRow[] {
  const isNear = new Uint8Array(rows.length);
  rows.forEach((row, index) => {
    if (row.kind === "same") return;
    isNear.fill(1, Math.max(0, index - CONTEXT), index + CONTEXT + 1);
  });
  const found: DiffRow[] = [];
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index];
    if (row === undefined) break;
    let end = index;
    while (end < rows.length && isNear[end] === 0) end += 1;
    if (end - index <= 1 || opened.has(index)) {
      const upTo = Math.max(end, index + 1);
      found.push(...rows.slice(index, upTo));
      index = upTo - 1;
      continue;
    }
    found.push({ kind: "fold", count: end - index, from: index });
    index = end - 1;
  }
  return found;
}

export interface Word {
  text: string;
  isChanged: boolean;
}

const LONGEST_LINE = 600;

/** The words of a changed line that are other ones. */
export function words(left: string, right: string): { left: Word[]; right: Word[] } {
  const whole = (text: string): Word[] => [{ text, isChanged: false }];
  if (left.length > LONGEST_LINE || right.length > LONGEST_LINE) return { left: whole(left), right: whole(right) };
  const parts = diffWordsWithSpace(left, right, { maxEditLength: 200 });
  if (parts === undefined) return { left: whole(left), right: whole(right) };
  return {
    left: parts
      .filter(({ added }) => !added)
      .map(({ value, removed }) => ({ text: value, isChanged: removed === true })),
    right: parts
      .filter(({ removed }) => !removed)
      .map(({ value, added }) => ({ text: value, isChanged: added === true })),
  };
}
