// Which rows of a long list are in sight. With wrapped lines heights are estimates: what is in sight is laid out by the browser, and
// only what is not is guessed.

export const ROW_PX = 19;
const BEYOND_PX = 400;

export interface Sight {
  first: number;
  /** One beyond the last. */
  end: number;
  above: number;
  below: number;
}

export interface Measure {
  count: number;
  /** Rows on the screen that a line takes; null: one each. */
  rowsOf: ((index: number) => number) | null;
}

export function inSight({ count, rowsOf }: Measure, top: number, height: number): Sight {
  const from = Math.max(0, top - BEYOND_PX);
  const to = top + height + BEYOND_PX;
  if (rowsOf === null) {
    const first = Math.max(0, Math.min(count, Math.floor(from / ROW_PX)));
    const end = Math.min(count, Math.ceil(to / ROW_PX));
    return { first, end: Math.max(first, end), above: first * ROW_PX, below: (count - Math.max(first, end)) * ROW_PX };
  }
  let at = 0;
  let first = 0;
  for (; first < count; first += 1) {
    const next = at + rowsOf(first) * ROW_PX;
    if (next > from) break;
    at = next;
  }
  const above = at;
  let end = first;
  for (; end < count && at < to; end += 1) at += rowsOf(end) * ROW_PX;
  let below = 0;
  for (let index = end; index < count; index += 1) below += rowsOf(index) * ROW_PX;
  return { first, end, above, below };
}

/** Rows that a text takes where so many characters go into one. */
export const wrappedRows = (length: number, columns: number): number =>
  Math.max(1, Math.ceil(length / Math.max(1, columns)));
