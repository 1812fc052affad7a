// Files as results speak of them: entries, changes, artifacts.

/** Path of a file below out/. Bytes that are no UTF-8 stand as \xNN, and then `pathBase64` has the exact ones. */
export interface FilePath {
  path: string;
  pathBase64?: string;
}
export interface FileEntry extends FilePath {
  bytes: number;
}
export interface SkippedEntry extends FilePath {
  reason: string;
}

export interface Changes {
  created: FileEntry[];
  modified: FileEntry[];
  deleted: FilePath[];
  skipped: SkippedEntry[];
  leftInWork: FileEntry[];
}

export const emptyChanges = (): Changes => ({ created: [], modified: [], deleted: [], skipped: [], leftInWork: [] });

/** One line of a contract, as a request states it. */
export interface ContractEntry {
  path: string;
  description: string;
  optional?: boolean | undefined;
  minBytes?: number | undefined;
  maxBytes?: number | undefined;
  mime?: string | undefined;
  schema?: unknown;
  columns?: string[] | undefined;
}

export type ArtifactStatus = "satisfied" | "missing" | "empty" | "invalid" | "blocked" | "stale";
export type ArtifactCode = "too_small" | "too_large" | "wrong_type" | "schema_mismatch" | "columns_missing";

/** A contract entry as verified on the host. `bytes`, `mime` and `sha256` are null where there is no regular file. */
export interface Artifact {
  path: string;
  description: string;
  status: ArtifactStatus;
  code?: ArtifactCode;
  message?: string;
  optional?: true;
  bytes: number | null;
  mime: string | null;
  sha256: string | null;
}
