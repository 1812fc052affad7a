// A user's files and versions. What changes them is only sent again where the service said that it had done nothing.
import { filePath, pathPart } from "./paths.js";
import type { Sent, Transport } from "./transport.js";
import type {
  FileOptions,
  ListedFile,
  OfWorkspace,
  RemovedFile,
  StoredFile,
  UndoneVersion,
  UndoRequest,
  Versions,
} from "./types.js";

export type FileBody = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

export interface FilesOptions extends OfWorkspace {
  /** Of one page; all pages are asked for, one after another. */
  pageSize?: number | undefined;
  /** Files whose names come after this one. */
  after?: string | undefined;
}
export interface StoredOptions extends FileOptions {
  /** As this version had it, by its id or number. */
  version?: string | undefined;
}
export interface ZipOptions extends OfWorkspace {
  /** Only what is in this folder, or this file. */
  path?: string | undefined;
}

const FILES = "v1/workspace/files";
const VERSIONS = "v1/workspace/versions";

export class Workspace {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The files, by name. */
  async *list({ pageSize, after, ...whose }: FilesOptions = {}): AsyncGenerator<ListedFile, void, undefined> {
    for (let from = after; ; ) {
      const sent = this.#sent(whose, { query: { limit: pageSize, after: from }, repeatable: true });
      const page = await this.#transport.json<{ files: ListedFile[]; next: string | null }>(FILES, sent);
      yield* page.files;
      if (page.next === null) return;
      from = page.next;
    }
  }

  /** A file: its bytes are in the answer's body. */
  async get(path: string, { range, ifRange, version, ...whose }: StoredOptions = {}): Promise<Response> {
    const sent = this.#sent(whose, { headers: { Range: range, "If-Range": ifRange }, repeatable: true });
    const files = version === undefined ? FILES : `${VERSIONS}/${pathPart(version)}/files`;
    return await this.#transport.send(`${files}/${filePath(path)}`, sent);
  }

  /** The whole of it or nothing, in the place of one that is there. */
  async put(path: string, body: FileBody, whose: OfWorkspace = {}): Promise<StoredFile> {
    const headers = { "Content-Type": "application/octet-stream" };
    const sent = this.#sent(whose, { method: "PUT", headers, body });
    return await this.#transport.json(`${FILES}/${filePath(path)}`, sent);
  }

  /** A file, or a folder with all that is in it. */
  async delete(path: string, whose: OfWorkspace = {}): Promise<RemovedFile> {
    return await this.#transport.json(`${FILES}/${filePath(path)}`, this.#sent(whose, { method: "DELETE" }));
  }

  /** All files as they are now; one that breaks off has no end, and unpacks to nothing. */
  async zip({ path, ...whose }: ZipOptions = {}): Promise<Response> {
    return await this.#transport.send("v1/workspace/zip", this.#sent(whose, { query: { path }, repeatable: true }));
  }

  async versions(whose: OfWorkspace = {}): Promise<Versions> {
    return await this.#transport.json(VERSIONS, this.#sent(whose, { repeatable: true }));
  }

  /** Back to the state before the last version, or to that of `version`. */
  async undo(request: UndoRequest = {}, whose: OfWorkspace = {}): Promise<UndoneVersion> {
    const headers = { "Content-Type": "application/json" };
    const sent = this.#sent(whose, { method: "POST", headers, body: JSON.stringify(request) });
    return await this.#transport.json("v1/workspace/undo", sent);
  }

  #sent({ user, workspace, signal }: OfWorkspace, sent: Sent): Sent {
    return { ...sent, signal, query: { ...sent.query, user: user ?? this.#transport.user, workspace } };
  }
}
