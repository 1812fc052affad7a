// How much each user's workspaces may hold: looked at before a run begins and while a file comes. What was measured is remembered until
// something of the service's own changes it, and for a minute where a hand or another process may have done so.
import { IsoError } from "../model/errors.js";
import type { Settings } from "../settings/settings.js";
import { type StoredBytes, storedBytes, workspacesOf } from "../workspace/storage.js";
import type { WorkspaceName } from "./workspaces.js";

const REMEMBERED_MS = 60_000;
const MAX_USERS = 10_000;

export interface Measure {
  workspacesOf(userId: string): { workspace?: string | null | undefined }[];
  storedBytes(ref: { userId: string; workspace?: string | null | undefined }): Promise<StoredBytes>;
}

export interface QuotaOptions {
  /** Of each user; null: no limit, and nothing is measured. */
  readonly limitBytes: number | null;
  /** Earlier versions of a user that do not count: a user with one workspace has no more, so that removing files always makes room. */
  readonly freeVersionBytes: number;
}

interface Measured {
  readonly atMs: number;
  /** What has changed since has a mark of that change's own, so that one looked at while it changes is looked at again. */
  readonly byWorkspace: Map<string, StoredBytes | symbol>;
}

export class StorageQuota {
  readonly #measure: Measure;
  readonly #options: QuotaOptions;
  readonly #now: () => number;
  readonly #measured = new Map<string, Measured>();
  /** Bytes of files that are on their way, by user. */
  readonly #coming = new Map<string, number>();

  constructor(measure: Measure, options: QuotaOptions, now: () => number = () => performance.now()) {
    this.#measure = measure;
    this.#options = options;
    this.#now = now;
  }

  static of(settings: Settings, limitBytes: number | null): StorageQuota {
    const measure = {
      workspacesOf: (userId: string) => workspacesOf(settings, userId),
      storedBytes: (ref: Parameters<Measure["storedBytes"]>[0]) => storedBytes(settings, ref),
    };
    return new StorageQuota(measure, { limitBytes, freeVersionBytes: settings.versions.maxBytes });
  }

  get limitBytes(): number | null {
    return this.#options.limitBytes;
  }

  /** Throws `quota_exceeded` where the user's workspaces hold as much as they may. */
  async check(userId: string): Promise<void> {
    const { limitBytes } = this.#options;
    if (limitBytes === null) return;
    const used = await this.used(userId);
    if (used >= limitBytes) throw exceeded(used, limitBytes);
  }

  /** A file that comes, as long as there is room for it; it counts until `put` has done with it. */
  async receive<T>(
    name: WorkspaceName,
    body: AsyncIterable<Uint8Array>,
    put: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  ): Promise<T> {
    await this.check(name.userId);
    const own = { bytes: 0 };
    try {
      return await put(this.#counted(name.userId, body, own));
    } finally {
      this.#come(name.userId, -own.bytes);
      this.changed(name);
    }
  }

  async *#counted(userId: string, body: AsyncIterable<Uint8Array>, own: { bytes: number }): AsyncGenerator<Uint8Array> {
    const { limitBytes } = this.#options;
    if (limitBytes === null) return yield* body;
    for await (const chunk of body) {
      own.bytes += chunk.length;
      const bytes = (await this.used(userId)) + this.#come(userId, chunk.length);
      if (bytes > limitBytes) throw exceeded(bytes, limitBytes);
      yield chunk;
    }
  }

  /** All that is on its way for the user, with this. */
  #come(userId: string, bytes: number): number {
    const coming = (this.#coming.get(userId) ?? 0) + bytes;
    if (coming === 0) this.#coming.delete(userId);
    else this.#coming.set(userId, coming);
    return coming;
  }

  /** What counts of the user's, as it was measured last. */
  async used(userId: string): Promise<number> {
    const { byWorkspace } = this.#known(userId);
    let files = 0;
    let versions = 0;
    for (const [workspace, known] of byWorkspace) {
      const isKnown = typeof known === "object";
      const bytes = isKnown ? known : await this.#measure.storedBytes({ userId, workspace: nameOf(workspace) });
      if (byWorkspace.get(workspace) === known) byWorkspace.set(workspace, bytes);
      files += bytes.files;
      versions += bytes.versions;
    }
    return files + Math.max(0, versions - this.#options.freeVersionBytes);
  }

  /** Something of the service's changed this workspace, or may have. */
  changed({ userId, workspace }: WorkspaceName | { userId: string; workspace?: string | null | undefined }): void {
    if (workspace === null) return;
    this.#measured.get(userId)?.byWorkspace.set(keyOf(workspace), Symbol("changed"));
  }

  #known(userId: string): Measured {
    const now = this.#now();
    const known = this.#measured.get(userId);
    if (known !== undefined && now - known.atMs < REMEMBERED_MS) return known;
    const names = this.#measure.workspacesOf(userId).map(({ workspace }) => keyOf(workspace));
    const found: Measured = { atMs: now, byWorkspace: new Map(names.map((name) => [name, Symbol("new")])) };
    if (this.#measured.size >= MAX_USERS) this.#measured.clear();
    this.#measured.set(userId, found);
    return found;
  }
}

/** No name of a workspace is empty. */
const keyOf = (workspace: string | null | undefined): string => workspace ?? "";
const nameOf = (key: string): string | undefined => (key === "" ? undefined : key);

function exceeded(bytes: number, limitBytes: number): IsoError {
  return new IsoError(
    "quota_exceeded",
    `The user's workspaces would hold ${bytes} bytes with this, and may hold ${limitBytes}.`,
  );
}
