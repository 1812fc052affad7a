// The part of a file that a Range header asks for. Several parts at once are not given: the whole file is, as the standard has it.

export interface Part {
  start: number;
  /** The first byte that is not wanted. */
  end: number;
}

/** Null: the whole file. "unsatisfiable": the file has no such part. */
export function partOf(header: string | undefined, bytes: number): Part | "unsatisfiable" | null {
  const [, first = "", last = ""] = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header ?? "") ?? [];
  if (first === "" && last === "") return null;
  if (first === "") {
    const start = Math.max(0, bytes - Number(last));
    return start < bytes ? { start, end: bytes } : "unsatisfiable";
  }
  const start = Number(first);
  const end = last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  // An end before the start makes no range at all.
  if (last !== "" && Number(last) < start) return null;
  return start < bytes ? { start, end } : "unsatisfiable";
}
