// Which ids of a range may be given to sandboxes: those that our user namespace has and that no account of this host owns, itself or
// as a subordinate. Pure; accounts that only a directory service knows are not seen.

export interface IdRange {
  readonly first: number;
  /** Belongs to the range. */
  readonly last: number;
}

export interface IdTables {
  /** Ids that are there at all, for users and for groups; without any table, all. */
  readonly mapped: readonly (readonly IdRange[])[];
  readonly taken: readonly IdRange[];
}

/** The first belongs to no one and to all; the second is what 16 bits have for "none". */
const NEVER: readonly IdRange[] = [
  { first: 0, last: 0 },
  { first: 65_534, last: 65_535 },
];

/** `read` gives a file's text, empty where there is none. */
export function readIdTables(read: (path: string) => string): IdTables {
  const mapped = ["/proc/self/uid_map", "/proc/self/gid_map"].map((path) =>
    rowsOf(read(path), /\s+/).flatMap(([first, , count]) => range(first, count)),
  );
  const accounts = ["/etc/passwd", "/etc/group"].flatMap((path) =>
    rowsOf(read(path), ":").flatMap(([, , id]) => range(id, "1")),
  );
  const subordinate = ["/etc/subuid", "/etc/subgid"].flatMap((path) =>
    rowsOf(read(path), ":").flatMap(([, first, count]) => range(first, count)),
  );
  return { mapped, taken: [...accounts, ...subordinate] };
}

/** Ascending, and apart from each other: a list of all ids would take longer to make than to choose one. */
export function usableRanges(wanted: IdRange, { mapped, taken }: IdTables): IdRange[] {
  const tables = mapped.filter((ranges) => ranges.length > 0);
  const there = tables.reduce<IdRange[]>((left, ranges) => left.flatMap((one) => common(one, ranges)), [wanted]);
  const free = [...NEVER, ...taken].reduce((left, range) => left.flatMap((one) => without(one, range)), there);
  return free.sort((a, b) => a.first - b.first);
}

export const sizeOf = (ranges: readonly IdRange[]): number =>
  ranges.reduce((sum, one) => sum + one.last - one.first + 1, 0);

/** The id at a place among all of them. */
export function idAt(ranges: readonly IdRange[], place: number): number {
  let left = place;
  for (const { first, last } of ranges) {
    if (first + left <= last) return first + left;
    left -= last - first + 1;
  }
  throw new RangeError(`there is no id ${place}`);
}

const isSome = ({ first, last }: IdRange): boolean => first <= last;

function common(one: IdRange, others: readonly IdRange[]): IdRange[] {
  return others
    .map(({ first, last }) => ({ first: Math.max(one.first, first), last: Math.min(one.last, last) }))
    .filter(isSome);
}

function without(one: IdRange, taken: IdRange): IdRange[] {
  if (!isSome(taken)) return [one];
  const before = { first: one.first, last: Math.min(one.last, taken.first - 1) };
  const after = { first: Math.max(one.first, taken.last + 1), last: one.last };
  return [before, after].filter(isSome);
}

export const contains = ({ first, last }: IdRange, id: number): boolean => id >= first && id <= last;

function rowsOf(text: string, separator: string | RegExp): string[][] {
  return text.split("\n").map((line) => line.trim().split(separator));
}

function range(first: string | undefined, count: string | undefined): IdRange[] {
  if (!isNumber(first) || !isNumber(count)) return [];
  const from = Number(first);
  return [{ first: from, last: from + Number(count) - 1 }];
}

const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d+$/.test(text);
