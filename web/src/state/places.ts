// Where in the page one is, as an address has it behind its #: `#/u/alice/run/ID`.
export type Place =
  | { view: "run"; runId: string | null }
  | { view: "history" }
  | { view: "compare"; left: string; right: string }
  | { view: "files"; path: string }
  | { view: "status" };

export interface Route {
  user: string | null;
  place: Place;
}

const RUN_ID = /^[0-9a-f-]{36}$/;

export function parseRoute(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("/").map(decode);
  const hasUser = parts[0] === "u" && parts[1] !== undefined && parts[1] !== "";
  const [view = "", ...rest] = hasUser ? parts.slice(2) : parts;
  return { user: hasUser ? (parts[1] ?? null) : null, place: placeOf(view, rest) };
}

function placeOf(view: string, rest: string[]): Place {
  const [first = "", second = ""] = rest;
  if (view === "history" || view === "status") return { view };
  if (view === "files") return { view, path: rest.join("/") };
  if (view === "compare" && RUN_ID.test(first) && RUN_ID.test(second)) return { view, left: first, right: second };
  return { view: "run", runId: view === "run" && RUN_ID.test(first) ? first : null };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function addressOf(place: Place, whose: string | null): string {
  const prefix = whose === null || whose === "" ? "#/" : `#/u/${encodeURIComponent(whose)}/`;
  if (place.view === "run") return `${prefix}${place.runId === null ? "" : `run/${place.runId}`}`;
  if (place.view === "compare") return `${prefix}compare/${place.left}/${place.right}`;
  if (place.view === "files") return `${prefix}files/${place.path.split("/").map(encodeURIComponent).join("/")}`;
  return `${prefix}${place.view}`;
}
