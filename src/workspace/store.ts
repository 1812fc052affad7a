// The store of workspaces: two roots on disk, opened by one process that is known by a lock the kernel holds. Around a run it
// is asked for four things in this order: lock, bootstrap, diff, commit.
import type { Durability } from "../model/ending.js";
import { IsoError } from "../model/errors.js";
import type { FileOwner, Instance } from "../model/instance.js";
import { step } from "../model/steps.js";
import { DEFAULT_VERSIONS, type VersionLimits } from "../model/versions.js";
import type { RelPath } from "../safefs/rel-path.js";
import { removeTree } from "../safefs/remove.js";
import { bootstrap } from "./bootstrap.js";
import { type CommitResult, commit } from "./commit.js";
import type { StoreContext } from "./context.js";
import { CopiesAhead } from "./copies-ahead.js";
import type { TreeDiff } from "./diff.js";
import { diffRun } from "./diff-run.js";
import { DEFAULT_PYTHONS, Exchanger } from "./exchange.js";
import { failure } from "./failure.js";
import { clearDeadInstances, isInstanceAlive, type OwnInstance, startInstance } from "./instance.js";
import { KeptCopies } from "./kept-copy.js";
import { KnownTwins } from "./known-twins.js";
import { liveDir, openLayout, recordFile } from "./layout.js";
import { LockQueues, type QueueTicket } from "./lock.js";
import type { Prepared } from "./prepared.js";
import { RecordLogs } from "./record-log.js";
import { healReplacements } from "./replace-live.js";
import { Settled } from "./settled.js";
import { clearLeftovers, Trash } from "./trash.js";
import { TreeWatch } from "./tree-watch.js";
import { removePath, type Undone, type UndoOptions, undo } from "./undo.js";
import { putUpload, receiveUpload, type Upload } from "./upload.js";
import type { WorkspaceRef } from "./user-dir.js";
import { claimWorkspaceDir, whoseDir } from "./user-record.js";
import type { VersionRecord } from "./version-folder.js";

export type { CommitResult } from "./commit.js";
export type { TreeDiff } from "./diff.js";
export type { Prepared } from "./prepared.js";
export type { WorkspaceRef } from "./user-dir.js";

export interface StoreOptions {
  workspaceRoot: string;
  sandboxRoot: string;
  /** Who the program runs as; files become this one's where the host is root. */
  owner: FileOwner;
  /** Interpreters for the helper that exchanges directories, best first. */
  pythonCandidates?: readonly string[];
  /** How many earlier states a workspace keeps. */
  versions?: VersionLimits;
}

/** The right to use one workspace. Given up by `release`, or by the end of the process. */
export interface WorkspaceLock extends Disposable, AsyncDisposable {
  readonly ref: WorkspaceRef;
  /** Name of the workspace's folder; null for the workspace null, which is nobody's and needs no lock. */
  readonly dirName: string | null;
  release(): void;
}

export class WorkspaceStore implements AsyncDisposable {
  readonly #context: StoreContext;
  readonly #queues: LockQueues;
  #closing: Promise<void> | null = null;

  private constructor(context: StoreContext) {
    this.#context = context;
    this.#queues = new LockQueues(context.layout.queues, context.instance);
  }

  /** Makes both roots where they are absent, and removes what dead processes left in them. */
  static async open(options: StoreOptions): Promise<WorkspaceStore> {
    const layout = openLayout(options.workspaceRoot, options.sandboxRoot);
    const isRoot = process.geteuid?.() === 0;
    let instance: OwnInstance | null = null;
    try {
      step("open.roots");
      instance = startInstance(layout);
      step("open.instance");
      const watch = new TreeWatch(options.pythonCandidates ?? DEFAULT_PYTHONS);
      const chownTo = isRoot ? options.owner : null;
      const trash = new Trash(instance.id);
      const store = new WorkspaceStore({
        ...{ layout, instance, owner: options.owner, chownTo, trash },
        ahead: new CopiesAhead({ layout, instance, trash }),
        exchanger: new Exchanger(options.pythonCandidates ?? DEFAULT_PYTHONS),
        versions: options.versions ?? DEFAULT_VERSIONS,
        records: new RecordLogs((dirName) => recordFile(layout, dirName)),
        ...{ watch, settled: new Settled(watch), copies: new KeptCopies(watch), twins: new KnownTwins() },
      });
      await store.#clearAfterTheDead();
      step("open.cleared");
      return store;
    } catch (error) {
      instance?.close();
      throw failure(error, `The workspace root "${layout.workspaceRoot}" cannot be opened`);
    }
  }

  get instance(): Instance {
    const { id, rootId } = this.#context.instance;
    return { id, rootId };
  }

  /** Folder for one subfolder per sandbox; each name starts with the instance's id. */
  get slotsDir(): string {
    return this.#context.layout.slots;
  }

  /** The workspace root's `.iso-runtime`. */
  get stateDir(): string {
    return this.#context.layout.state;
  }

  async isAlive(instanceId: string): Promise<boolean> {
    return instanceId === this.#context.instance.id || isInstanceAlive(this.#context.layout, instanceId);
  }

  /** Which user and workspace a folder of the workspace root belongs to; null where it is nobody's. */
  whose(dirName: string): WorkspaceRef | null {
    return whoseDir(this.#context.layout, dirName);
  }

  /** Waits for this caller's turn; rejects with the signal's reason where that comes first. */
  async lock(ref: WorkspaceRef, signal?: AbortSignal): Promise<WorkspaceLock> {
    const { ahead, layout } = this.#context;
    const dirName = claimWorkspaceDir(layout, ref);
    if (dirName === null) return makeLock(ref, null, () => undefined);
    const ticket: QueueTicket = await this.#queues.acquire(dirName, signal);
    const left = ahead.entered(dirName);
    try {
      step("lock.taken");
      await healReplacements(this.#context, dirName);
    } catch (error) {
      left();
      ticket.release();
      throw failure(error, "An interrupted commit of this workspace cannot be brought to its end");
    }
    return makeLock(ref, dirName, () => {
      left();
      ticket.release();
    });
  }

  /** Waits for this caller's turn at something of the root's own that all processes write; rejects where the signal comes first. */
  async turn(name: string, signal?: AbortSignal): Promise<QueueTicket> {
    // No workspace's folder begins with this.
    return await this.#queues.acquire(`+${name}`, signal);
  }

  /** A fresh sandbox folder with a copy of the workspace's out/. Where the host is root it becomes `owner`'s, once it is known who that is. */
  async bootstrap(
    lock: WorkspaceLock,
    runId: string,
    owner: FileOwner | Promise<FileOwner> = this.#context.owner,
  ): Promise<Prepared> {
    const { ref, dirName } = lock;
    const prepared = await bootstrap(this.#context, { userId: ref.userId, dirName }, { runId, owner });
    if (dirName !== null) this.#context.exchanger.warm();
    return prepared;
  }

  /** The sandbox has the folder now, and its program is not there yet. */
  async delivered({ copy, dir }: Prepared): Promise<void> {
    if (copy !== null) await this.#context.copies.delivered({ dirName: copy.dirName, dir });
  }

  /** What the run did. Every process of the sandbox is dead, its files are at `prepared.dir` again. */
  async diff(prepared: Prepared, options: { maxNewEntries?: number } = {}): Promise<TreeDiff> {
    const live = prepared.dirName === null ? null : liveDir(this.#context.layout, prepared.dirName);
    try {
      return await diffRun(this.#context, prepared, live, options.maxNewEntries);
    } catch (error) {
      throw failure(error, "The run's files cannot be compared with the workspace");
    }
  }

  /** Makes the run's out/ the workspace's. Throws where that failed, and then the workspace is as it was before. */
  async commit(prepared: Prepared, diff: TreeDiff, options: { durability: Durability }): Promise<CommitResult> {
    return await commit(this.#context, prepared, diff, options.durability);
  }

  /** Makes an earlier version the live tree again, as a new version. */
  async undo(lock: WorkspaceLock, options: UndoOptions): Promise<Undone> {
    return await this.#changed("The workspace cannot be brought back", lock, (dirName) =>
      undo(this.#context, dirName, options),
    );
  }

  /** Takes a file or folder out of the workspace. Null where versions are off. */
  async removePath(lock: WorkspaceLock, path: RelPath, durable: boolean): Promise<VersionRecord | null> {
    return await this.#changed("The entry cannot be removed", lock, (dirName) =>
      removePath(this.#context, dirName, path, durable),
    );
  }

  /** A file on its way into a workspace, whole when this resolves. Takes no lock. */
  async receive(path: string, body: AsyncIterable<Uint8Array>): Promise<Upload> {
    return await receiveUpload(this.#context, path, body);
  }

  /** Puts a received file into the workspace. Null where versions are off. */
  async put(lock: WorkspaceLock, upload: Upload, durable: boolean): Promise<VersionRecord | null> {
    return await this.#changed("The file cannot be put into the workspace", lock, (dirName) =>
      putUpload(this.#context, dirName, upload, durable),
    );
  }

  /** Removes a sandbox folder. */
  async discard({ dir, logs }: Prepared): Promise<void> {
    for (const path of [dir, logs]) await removeTree(path);
  }

  /** Waits for what is still being removed and gives the instance up. Locks must have been released. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #changed<T>(what: string, { dirName }: WorkspaceLock, act: (dirName: string) => Promise<T>): Promise<T> {
    if (dirName === null) throw new IsoError("invalid_request", "There is no workspace to change.");
    try {
      return await act(dirName);
    } catch (error) {
      throw failure(error, what);
    }
  }

  async #close(): Promise<void> {
    await this.#context.ahead.close();
    await this.#context.trash.close();
    await this.#context.exchanger.close();
    await this.#context.watch.close();
    this.#queues.close();
    // What a fault, as a want of descriptors, kept us from removing when its time was.
    await this.#clearLeftovers((id) => id !== this.#context.instance.id).catch(() => undefined);
    this.#context.instance.close();
  }

  async #clearAfterTheDead(): Promise<void> {
    const { layout } = this.#context;
    const known = new Map([[this.#context.instance.id, true]]);
    const isAlive = (id: string): boolean => {
      const alive = known.get(id) ?? isInstanceAlive(layout, id);
      known.set(id, alive);
      return alive;
    };
    clearDeadInstances(layout, this.#context.instance.id);
    await this.#clearLeftovers(isAlive);
  }

  async #clearLeftovers(keep: (instanceId: string) => boolean): Promise<void> {
    const { trash, sandboxTrash, building, runs, slots } = this.#context.layout;
    for (const folder of [trash, sandboxTrash, building, runs, slots]) await clearLeftovers(folder, keep);
  }
}

function makeLock(ref: WorkspaceRef, dirName: string | null, release: () => void): WorkspaceLock {
  return {
    ...{ ref, dirName, release },
    [Symbol.dispose]: release,
    [Symbol.asyncDispose]: async () => release(),
  };
}
