// What is being written: the snippet and what it is to be run with. This tab keeps it over a reload; values of variables it does not.
import { effect, signal } from "@preact/signals";
import type { ContractRow, RunRequest } from "../api/types.js";

const KEY = "iso-runtime.draft";
const FIRST = `import os, pathlib

out = pathlib.Path(os.environ["OUTPUT_DIR"])
(out / "cities.csv").write_text("city,total\\nBern,12\\nOslo,7\\n")
print("wrote cities.csv")
`;

export interface DraftRow {
  id: number;
  path: string;
  description: string;
  optional: boolean;
  columns: string;
}

export interface Variable {
  id: number;
  name: string;
  value: string;
}

export const code = signal(FIRST);
export const rows = signal<DraftRow[]>([]);
export const profile = signal("");
export const timeoutSeconds = signal("");
export const stdin = signal("");
export const variables = signal<Variable[]>([]);
/** What the editor is to show: another text, or a line that it goes to and marks. Another object each time. */
export const shownInEditor = signal<{ text: string | null; line: number | null }>({ text: null, line: null });

let nextId = 1;
const newId = (): number => nextId++;

export function addRow(row: Partial<DraftRow> = {}): void {
  rows.value = [...rows.value, { path: "", description: "", optional: false, columns: "", ...row, id: newId() }];
}

export function addVariable(): void {
  variables.value = [...variables.value, { id: newId(), name: "", value: "" }];
}

export function setCode(text: string, line: number | null = null): void {
  code.value = text;
  shownInEditor.value = { text, line };
}

export function request(): RunRequest {
  const contract = rows.value.filter(({ path }) => path.trim() !== "").map(asEntry);
  const env = Object.fromEntries(
    variables.value.filter(({ name }) => name !== "").map(({ name, value }) => [name, value]),
  );
  const seconds = Number(timeoutSeconds.value);
  return {
    code: code.value,
    ...(contract.length > 0 && { contract }),
    ...(profile.value !== "" && { profile: profile.value }),
    ...(seconds > 0 && { timeoutMs: Math.round(seconds * 1000) }),
    ...(stdin.value !== "" && { stdin: stdin.value }),
    ...(Object.keys(env).length > 0 && { env }),
  };
}

function asEntry({ path, description, optional, columns }: DraftRow): ContractRow {
  const names = columns
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return {
    path: path.trim(),
    description: description.trim() || path.trim(),
    ...(optional && { optional }),
    ...(names.length > 0 && { columns: names }),
  };
}

interface Kept {
  code?: unknown;
  rows?: unknown;
  profile?: unknown;
}

export function restore(): void {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Kept;
    if (typeof kept.code === "string") code.value = kept.code;
    if (typeof kept.profile === "string") profile.value = kept.profile;
    if (Array.isArray(kept.rows)) for (const row of kept.rows.slice(0, 100)) addRow(row);
  } catch {
    // What cannot be read is begun anew.
  }
  effect(() => {
    const text = JSON.stringify({ code: code.value, rows: rows.value, profile: profile.value });
    if (text.length < 1_000_000) sessionStorage.setItem(KEY, text);
  });
}
