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

export function usableIds({ first, last }: IdRange, { mapped, taken }: IdTables): number[] {
  const blocked = [...NEVER, ...taken].filter((other) => other.first <= last && other.last >= first);
  const ids: number[] = [];
  for (let id = first; id <= last; id += 1) {
    const isThere = mapped.every((ranges) => ranges.length === 0 || ranges.some((range) => contains(range, id)));
    if (isThere && !blocked.some((range) => contains(range, id))) ids.push(id);
  }
  return ids;
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
