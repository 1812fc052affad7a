// The library's way to the workspaces themselves: their files and versions. Looking takes no lock and makes nothing; `remove` and `undo`
// wait their turn among the runs of the workspace.
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import type { Durability } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import type { Version } from "../model/versions.js";
import type { WorkspaceLock, WorkspaceStore } from "../workspace/store.js";
import { checkUserId } from "../workspace/user-dir.js";
import { type DiffView, type HistoryView, type ListedFile, WorkspaceView } from "../workspace/view.js";

export type { ComparedVersion, DiffView, HistoryView, ListedFile } from "../workspace/view.js";

export interface WorkspaceName {
  userId: string;
  /** Another workspace of the same user. */
  workspace?: string | undefined;
}

export interface ChangeOptions {
  durability?: Durability | undefined;
  /** Ends the wait for the workspace's turn. */
  signal?: AbortSignal | undefined;
}

export interface UndoOptions extends ChangeOptions {
  /** The version to go back to, by id or number; without it the state before the last version. */
  version?: string | undefined;
  /** Goes back although files of that version were edited by hand since, and brings them as they are. */
  withEdits?: boolean | undefined;
}

export interface UndoResult {
  /** The version that the undo made. */
  version: string;
  restored: string | null;
  changes: Version["changes"];
  /** Files that are not as the version had them; empty unless `withEdits`. */
  edited: FilePath[];
}

export class Workspaces {
  readonly #roots: { workspaceRoot: string; sandboxRoot: string };
  readonly #open: () => Promise<WorkspaceStore>;

  /** Made by the runtime. `open` opens the roots, which are left alone until something is to be changed. */
  constructor(roots: { workspaceRoot: string; sandboxRoot: string }, open: () => Promise<WorkspaceStore>) {
    this.#roots = roots;
    this.#open = open;
  }

  async files(name: WorkspaceName): Promise<ListedFile[]> {
    return await this.#view(name).files();
  }

  /** The bytes of a regular file; no link is followed. */
  async readFile(name: WorkspaceName, path: string): Promise<Readable> {
    return createReadStream("", { fd: this.#view(name).openFile(path) });
  }

  async history(name: WorkspaceName): Promise<HistoryView> {
    return await this.#view(name).history();
  }

  /** The last version against the one before; with `from`, that one against the live tree or against `to`. */
  async diff(name: WorkspaceName, from?: string, to?: string): Promise<DiffView> {
    return await this.#view(name).diff(from, to);
  }

  /** Removes a file or a folder, which makes a version; its id is null where versions are off. */
  async remove(name: WorkspaceName, path: string, options: ChangeOptions = {}): Promise<string | null> {
    return await this.#change(name, options, async (store, lock) => {
      return (await store.removePath(lock, path, options.durability === "disk"))?.id ?? null;
    });
  }

  /** Makes an earlier state the live tree again, as a new version. */
  async undo(name: WorkspaceName, options: UndoOptions = {}): Promise<UndoResult> {
    const { version: to, withEdits, durability } = options;
    return await this.#change(name, options, async (store, lock) => {
      const { made, edited } = await store.undo(lock, { to, withEdits, durable: durability === "disk" });
      return { version: made.id, restored: made.restored, changes: made.changes, edited };
    });
  }

  #view(name: WorkspaceName): WorkspaceView {
    return WorkspaceView.open(this.#roots, checked(name));
  }

  async #change<T>(
    name: WorkspaceName,
    { signal }: ChangeOptions,
    act: (store: WorkspaceStore, lock: WorkspaceLock) => Promise<T>,
  ): Promise<T> {
    // Whoever misspells a name must not get an empty workspace of it.
    this.#view(name);
    const store = await this.#open();
    await using lock = await store.lock(checked(name), signal);
    return await act(store, lock);
  }
}

function checked({ userId, workspace }: WorkspaceName): WorkspaceName {
  if (typeof userId !== "string") throw new IsoError("invalid_user_id", "The user id is no text.", { field: "userId" });
  checkUserId(userId);
  return { userId, workspace };
}
