// The library's way to the workspaces themselves: their files and versions. Looking takes no lock and makes nothing; `remove` and `undo`
// wait their turn among the runs of the workspace.
import { closeSync, createReadStream, fstatSync } from "node:fs";
import type { Readable } from "node:stream";
import type { Durability } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { FilePath } from "../model/files.js";
import { KiB } from "../model/limits.js";
import type { Version } from "../model/versions.js";
import { locateLayout } from "../workspace/layout.js";
import { openPastFile } from "../workspace/past-file.js";
import type { WorkspaceLock, WorkspaceStore } from "../workspace/store.js";
import { checkUserId } from "../workspace/user-dir.js";
import { type DiffView, type HistoryView, type ListedFile, WorkspaceView } from "../workspace/view.js";
import { type Archive, openArchive } from "./workspace-archive.js";

export type { ComparedVersion, DiffView, HistoryView, ListedFile } from "../workspace/view.js";

const READ_BYTES = 256 * KiB;

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

/** An opened file. Whoever has it closes it, or reads it to its end. */
export interface OpenedFile extends Disposable {
  readonly bytes: number;
  /** Another one where the file is another one. */
  readonly tag: string;
  /** Bytes from `start` on, up to `end` and without it. Once; throws where the file ends before. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

export class Workspaces {
  readonly #roots: { workspaceRoot: string; sandboxRoot: string };
  readonly #open: () => Promise<WorkspaceStore>;

  /** Made by the runtime. `open` opens the roots, which are left alone until something is to be changed. */
  constructor(roots: { workspaceRoot: string; sandboxRoot: string }, open: () => Promise<WorkspaceStore>) {
    this.#roots = roots;
    this.#open = open;
  }

  /** The two roots, as they were named and as the system calls them. */
  get roots(): string[] {
    const { workspaceRoot, sandboxRoot } = this.#roots;
    const settled = locateLayout(workspaceRoot, sandboxRoot);
    return [...new Set([workspaceRoot, sandboxRoot, settled.workspaceRoot, settled.sandboxRoot])];
  }

  async files(name: WorkspaceName): Promise<ListedFile[]> {
    return await this.#view(name).files();
  }

  /** The bytes of a regular file; no link is followed. */
  async readFile(name: WorkspaceName, path: string): Promise<Readable> {
    return createReadStream("", { fd: this.#view(name).openFile(path) });
  }

  /** The same for a part of it. */
  async openFile(name: WorkspaceName, path: string): Promise<OpenedFile> {
    return openedFile(this.#view(name).openFile(path));
  }

  /** A file as a version had it, by the version's id. */
  async openFileOf(name: WorkspaceName, version: string, path: string): Promise<OpenedFile> {
    return openedFile(await openPastFile(this.#roots, checked(name), version, path));
  }

  /** All files, or those of a folder, to be read as they are now. Whoever has it disposes of it. */
  async archive(name: WorkspaceName, folder?: string): Promise<Archive> {
    return await openArchive(this.#view(name).open(), folder ?? null);
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

  /** Puts a file into the workspace, in the place of one that is there; makes a version, whose id is null where versions are off. */
  async put(
    name: WorkspaceName,
    path: string,
    body: AsyncIterable<Uint8Array>,
    { durability, signal }: ChangeOptions = {},
  ): Promise<{ bytes: number; version: string | null }> {
    const whose = checked(name);
    const store = await this.#open();
    // No run waits for a caller that sends slowly.
    using upload = await store.receive(path, body);
    await using lock = await store.lock(whose, signal);
    const made = await store.put(lock, upload, durability === "disk");
    return { bytes: upload.bytes, version: made?.id ?? null };
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

function openedFile(fd: number): OpenedFile {
  const { size, ino, ctimeNs } = fstatSync(fd, { bigint: true });
  let stream: Readable | null = null;
  let isOpen = true;
  const close = () => {
    if (stream !== null) stream.destroy();
    else if (isOpen) closeSync(fd);
    isOpen = false;
  };
  return {
    bytes: Number(size),
    tag: `${ino.toString(36)}-${size.toString(36)}-${ctimeNs.toString(36)}`,
    async *read(start, end) {
      if (!isOpen) return;
      let left = end - start;
      if (left === 0) return close();
      stream = createReadStream("", { fd, start, end: end - 1, highWaterMark: READ_BYTES });
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        left -= chunk.length;
        yield chunk;
      }
      if (left > 0) throw new IsoError("conflict", "The file became shorter while it was read.");
    },
    [Symbol.dispose]: close,
  };
}
